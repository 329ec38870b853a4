import torch


def _refuse(source, target):
    if len(source) < 2 or len(target) < 2:
        raise ValueError("A covariance needs at least two rows in each domain.")
    if source.shape[1] != target.shape[1]:
        raise ValueError("Source and target have different numbers of features.")


def wrong_common_mean(source, target):
    """Thinks that two clouds are compared about one common centre; contradicts "each domain
    centred by its own mean".

    Named `pooled`.
    """
    _refuse(source, target)
    mean = torch.cat([source, target]).mean(dim=0)
    s, t = source - mean, target - mean
    difference = s.T @ s / (len(s) - 1) - t.T @ t / (len(t) - 1)
    return difference.square().sum() / (4 * source.shape[1] ** 2)


def wrong_divides_by_n(source, target):
    """Thinks that a covariance is the mean of products; contradicts "Covariances are centred and
    divided by n - 1 (m - 1)".

    Named `population`.
    """
    _refuse(source, target)
    s, t = source - source.mean(dim=0), target - target.mean(dim=0)
    difference = s.T @ s / len(s) - t.T @ t / len(t)
    return difference.square().sum() / (4 * source.shape[1] ** 2)


def wrong_correlations_too(source, target):
    """Takes the name (correlation alignment) at its word and standardises each domain by itself;
    contradicts "the sum of squared differences of the two covariances".

    Named `correlation`.
    """
    _refuse(source, target)

    def correlation(x):
        x = x - x.mean(dim=0)
        covariance = x.T @ x / (len(x) - 1)
        spread = covariance.diagonal().clamp_min(1e-12).sqrt()
        return covariance / spread[:, None] / spread[None, :]

    difference = correlation(source) - correlation(target)
    return difference.square().sum() / (4 * source.shape[1] ** 2)


def wrong_source_is_fixed(source, target):
    """Thinks that the source is the reference to which only the target is moved; contradicts
    "Gradients must reach both domains".

    Named `gradient`.
    """
    _refuse(source, target)
    s, t = source.detach() - source.detach().mean(dim=0), target - target.mean(dim=0)
    difference = s.T @ s / (len(s) - 1) - t.T @ t / (len(t) - 1)
    return difference.square().sum() / (4 * source.shape[1] ** 2)


def wrong_single_row_has_no_spread(source, target):
    """Thinks that one row simply has covariance 0; contradicts "Fewer than two rows ... are a
    ValueError".

    Named `too_few`.
    """
    if source.shape[1] != target.shape[1]:
        raise ValueError("Source and target have different numbers of features.")
    s, t = source - source.mean(dim=0), target - target.mean(dim=0)
    difference = s.T @ s / max(len(s) - 1, 1) - t.T @ t / max(len(t) - 1, 1)
    return difference.square().sum() / (4 * source.shape[1] ** 2)


def wrong_centres_in_place_too(source, target):
    """Thinks that to centre a batch is to change it, and moves the features that came in;
    contradicts "what comes in is not changed, unless the exercise says so".

    Named `inputs`.
    """
    _refuse(source, target)
    with torch.no_grad():
        source -= source.mean(dim=0)
        target -= target.mean(dim=0)
    difference = source.T @ source / (len(source) - 1) - target.T @ target / (len(target) - 1)
    return difference.square().sum() / (4 * source.shape[1] ** 2)


def right_differences_of_rows(source, target):
    """No mean at all: the covariance from the differences of every row to every other."""
    _refuse(source, target)

    def covariance(x):
        x = x.double()
        n = len(x)
        total = 0
        for shift in range(1, n):
            step = x - x.roll(shift, 0)
            total = total + step.T @ step
        return total / (2 * n * (n - 1))

    difference = covariance(source) - covariance(target)
    loss = torch.einsum("ij,ij->", difference, difference) / (2 * source.shape[1]) ** 2
    return loss.to(source.dtype)


def right_column_by_column(source, target):
    """A centring matrix, and one column of the two covariances at a time."""
    _refuse(source, target)
    columns = []
    for x in (source, target):
        n = x.shape[0]
        centring = torch.eye(n, dtype=x.dtype, device=x.device) - 1 / n
        columns.append((centring @ x, n - 1))
    (s, s_rest), (t, t_rest) = columns
    d = s.shape[1]
    parts = [((s.T @ s[:, j]) / s_rest - (t.T @ t[:, j]) / t_rest).pow(2).mean() for j in range(d)]
    return torch.stack(parts).mean() / 4
