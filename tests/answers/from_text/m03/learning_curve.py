import torch

from course_lib.evidence.evaluate import evaluate
from course_lib.evidence.splits import k_shot_split


def _refuse(labels, sizes):
    smallest = int(labels.unique(return_counts=True)[1].min())
    if any(size > smallest for size in sizes):
        raise ValueError(f"A size is above the smallest class, which has {smallest} examples.")


def wrong_generator_runs_on(fit, images, labels, test_images, test_labels, sizes, seed):
    """Thinks that one generator per curve makes the draws nested, although it runs on from size to
    size; contradicts "the labels at 5 contain the labels at 2".

    Named `not_nested`.
    """
    _refuse(labels, sizes)
    rng = torch.Generator().manual_seed(seed)
    accuracies = []
    for size in sizes:
        support = []
        for label in labels.unique():
            members = (labels == label).nonzero().flatten()
            order = torch.randperm(len(members), generator=rng)
            support.append(members[order[:size]])
        support = torch.cat(support)
        model = fit(images[support], labels[support])
        accuracies.append(evaluate(model, test_images, test_labels))
    return accuracies


def wrong_unstratified(fit, images, labels, test_images, test_labels, sizes, seed):
    """Thinks that nested is all that is asked, and takes the first size * K of one shuffled pool;
    contradicts "The subsets are stratified".

    Named `unstratified`.
    """
    _refuse(labels, sizes)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    n_classes = len(labels.unique())
    accuracies = []
    for size in sizes:
        support = order[: size * n_classes]
        model = fit(images[support], labels[support])
        accuracies.append(evaluate(model, test_images, test_labels))
    return accuracies


def wrong_global_seed(fit, images, labels, test_images, test_labels, sizes, seed):
    """Thinks that seeding means torch.manual_seed; contradicts "your own torch.Generator()...; the
    global one is left alone".

    Named `random state`.
    """
    _refuse(labels, sizes)
    torch.manual_seed(seed)
    orders = []
    for label in labels.unique():
        members = (labels == label).nonzero().flatten()
        orders.append(members[torch.randperm(len(members))])
    accuracies = []
    for size in sizes:
        support = torch.cat([order[:size] for order in orders])
        model = fit(images[support], labels[support])
        accuracies.append(evaluate(model, test_images, test_labels))
    return accuracies


def wrong_mean_of_batches_too(fit, images, labels, test_images, test_labels, sizes, seed):
    """Thinks that the mean of batch accuracies is the accuracy, although the last batch may be
    smaller; contradicts "tested on the whole test set, as `evaluate` does" (right answers over N).

    Named `value`.
    """
    _refuse(labels, sizes)
    accuracies = []
    for size in sizes:
        support = torch.as_tensor(k_shot_split(labels, size, seed)[0])
        model = fit(images[support], labels[support])
        parts = [
            float(evaluate(model, x, y))
            for x, y in zip(test_images.split(32), test_labels.split(32), strict=True)
        ]
        accuracies.append(sum(parts) / len(parts))
    return accuracies


def wrong_average_class_is_enough(fit, images, labels, test_images, test_labels, sizes, seed):
    """Thinks that a size is fine as long as there are size * K labels in all, and gives a small
    class fewer; contradicts "A size above the smallest class is a ValueError".

    Named `too_few`.
    """
    classes = labels.unique()
    if max(sizes) * len(classes) > len(labels):
        raise ValueError("There are not enough labels for the largest size.")
    rng = torch.Generator().manual_seed(seed)
    orders = []
    for label in classes:
        members = (labels == label).nonzero().flatten()
        orders.append(members[torch.randperm(len(members), generator=rng)])
    accuracies = []
    for size in sizes:
        support = torch.cat([order[:size] for order in orders])
        model = fit(images[support], labels[support])
        accuracies.append(evaluate(model, test_images, test_labels))
    return accuracies


def wrong_mode_as_trained(fit, images, labels, test_images, test_labels, sizes, seed):
    """Thinks that fit hands back a model that is ready to be tested, and tests in the mode in
    which it came; contradicts "tested ..., as `evaluate` does", which "asks in eval mode".

    Named `train_mode`.
    """
    _refuse(labels, sizes)
    accuracies = []
    for size in sizes:
        support = torch.as_tensor(k_shot_split(labels, size, seed)[0])
        model = fit(images[support], labels[support])
        with torch.no_grad():
            said = model(test_images).argmax(dim=1)
        accuracies.append(float((said == test_labels).double().mean()))
    return accuracies


def right_rank_in_class(fit, images, labels, test_images, test_labels, sizes, seed):
    """One shuffled pool, every image knows its rank within its class; a size is a mask."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed)).tolist()
    names, seen, rank = labels.tolist(), {}, [0] * len(labels)
    for i in order:
        rank[i] = seen.get(names[i], 0)
        seen[names[i]] = rank[i] + 1
    if len(sizes) and max(sizes) > min(seen.values(), default=0):
        raise ValueError(f"A size is above the smallest class of {min(seen.values(), default=0)}.")
    ranks = torch.tensor(rank)
    results = []
    for size in sizes:
        mask = (ranks < int(size)).nonzero().flatten()
        results.append(evaluate(fit(images[mask], labels[mask]), test_images, test_labels))
    return torch.tensor([float(result) for result in results], dtype=torch.float64)


def right_recursive_with_own_evaluation(
    fit, images, labels, test_images, test_labels, sizes, seed, *, chunk=7
):
    """Recursion over the sizes, with an evaluation of its own that counts in chunks of seven."""
    if len(test_labels) == 0:
        raise ValueError("Without test images there is no accuracy.")
    keys = torch.rand(
        len(labels), generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    ).tolist()
    of_class = {}
    for i, label in enumerate(labels.tolist()):
        of_class.setdefault(label, []).append(i)
    for members in of_class.values():
        members.sort(key=keys.__getitem__)
    smallest = min((len(members) for members in of_class.values()), default=0)
    if any(size > smallest for size in sizes):
        raise ValueError(f"The smallest class has only {smallest} examples.")

    def accuracy(model):
        modes = [(module, module.training) for module in model.modules()]
        model.eval()
        right = 0
        try:
            with torch.no_grad():
                for start in range(0, len(test_labels), chunk):
                    said = model(test_images[start : start + chunk]).argmax(dim=1)
                    right += int((said == test_labels[start : start + chunk]).sum())
        finally:
            for module, mode in modes:
                module.training = mode
        return right / len(test_labels)

    def curve(left):
        if not left:
            return []
        support = [i for members in of_class.values() for i in members[: left[0]]]
        chosen = torch.tensor(support, dtype=torch.long)
        return [accuracy(fit(images[chosen], labels[chosen])), *curve(left[1:])]

    return curve([int(size) for size in sizes])
