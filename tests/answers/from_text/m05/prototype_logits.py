import torch
import torch.nn.functional as F


def _prototypes(support, labels):
    n_way = int(labels.max()) + 1
    return torch.stack([support[labels == k].mean(dim=0) for k in range(n_way)])


def wrong_same_shots_for_all(support, support_labels, query):
    """Divides every class's sum by the average number of shots; contradicts "the classes may have
    different numbers of shots" (the class *mean*).

    Named `value`.
    """
    n_way = int(support_labels.max()) + 1
    sums = F.one_hot(support_labels, n_way).to(support.dtype).T @ support
    prototypes = sums / (len(support) / n_way)
    return -((query[:, None] - prototypes[None]) ** 2).sum(dim=2)


def wrong_no_gradient_to_the_support(support, support_labels, query):
    """Thinks that prototypes are constants ("Nothing is trained on the episode") and cuts them
    off; contradicts "The gradient reaches the support".

    Named `no_gradient`.
    """
    with torch.no_grad():
        prototypes = _prototypes(support, support_labels)
    return -((query[:, None] - prototypes[None]) ** 2).sum(dim=2)


def wrong_without_the_prototype_norm(support, support_labels, query):
    """Expands the square and drops the length of the prototype along with that of the query, but
    it is another number in each column; contradicts "A number added to a whole *row* is fine".

    Named `dot`.
    """
    return 2 * query @ _prototypes(support, support_labels).T


def wrong_mean_over_features(support, support_labels, query):
    """Takes the mean squared difference over the features, which is the squared distance over D;
    contradicts "minus the squared Euclidean distance".

    Named `mean_over_features`.
    """
    prototypes = _prototypes(support, support_labels)
    return -((query[:, None] - prototypes[None]) ** 2).mean(dim=2)


def wrong_mean_of_the_distances_too(support, support_labels, query):
    """Averages the squared distances to a class's examples, so that a wide class is farther away;
    contradicts "distance of each query to each class mean".

    Named `mean_distance`.
    """
    d2 = ((query[:, None] - support[None]) ** 2).sum(dim=2)
    n_way = int(support_labels.max()) + 1
    return -torch.stack([d2[:, support_labels == k].mean(dim=1) for k in range(n_way)], dim=1)


def wrong_columns_as_they_come(support, support_labels, query):
    """Numbers the columns by the first appearance of a class in the support; contradicts "Column k
    is class k" (rows "in any order").

    Named `columns`.
    """
    seen = list(dict.fromkeys(support_labels.tolist()))
    prototypes = torch.stack([support[support_labels == k].mean(dim=0) for k in seen])
    return -((query[:, None] - prototypes[None]) ** 2).sum(dim=2)


def right_linear_layer(support, support_labels, query):
    """A linear layer in double precision: weights 2 c, bias -|c|²; the query's own length, one
    number for the whole row, is left out."""
    n_way = int(support_labels.max()) + 1
    member = support_labels[None, :] == torch.arange(n_way, device=support_labels.device)[:, None]
    share = member.double() / member.sum(dim=1, keepdim=True)
    prototypes = share.to(support.device) @ support.double()
    logits = F.linear(query.double(), 2 * prototypes, -prototypes.square().sum(dim=1))
    return logits.to(query.dtype)


def right_from_pairs_alone(support, support_labels, query):
    """No prototype is formed: mean squared distance to the examples, minus half the mean squared
    distance among them (the parallel axis theorem)."""
    s, q = support.double(), query.double()
    columns = []
    for k in range(int(support_labels.max()) + 1):
        own = s[support_labels == k]
        to_query = (q.unsqueeze(1) - own.unsqueeze(0)).pow(2).sum(-1).mean(1)
        among = (own.unsqueeze(1) - own.unsqueeze(0)).pow(2).sum(-1).mean()
        columns.append(among / 2 - to_query)
    return torch.stack(columns, dim=-1).to(query.dtype)
