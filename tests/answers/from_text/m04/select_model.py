import numpy as np
import torch


def _probs(run):
    return torch.as_tensor(run["target_probs"]).detach().cpu().double()


def _confidence(run):
    return float(_probs(run).amax(dim=1).mean())


def _several(run):
    return len(_probs(run).argmax(dim=1).unique()) > 1


def _near(runs):
    best = max(float(run["source_val_accuracy"]) for run in runs)
    return [i for i, run in enumerate(runs) if run["source_val_accuracy"] >= best - 0.10 - 1e-9]


def _sound(runs):
    near = _near(runs)
    return [i for i in near if _several(runs[i])] or near


def wrong_labels_break_ties(runs):
    """Thinks that the target labels may decide between runs that are equally confident to two
    digits; contradicts "your choice must not depend on them".

    Named `labels`.
    """
    if not runs:
        raise ValueError("There is no run to choose from.")

    def key(i):
        labels = torch.as_tensor(runs[i]["target_labels"]).cpu()
        hits = (_probs(runs[i]).argmax(dim=1) == labels).double().mean()
        return round(_confidence(runs[i]), 2), float(hits)

    return max(_sound(runs), key=key)


def wrong_best_of_those_not_collapsed(runs):
    """Throws out the runs with a single class first and takes the best source accuracy of the rest
    as the measure; contradicts "never a run more than 10 points (0.10) below the best source
    accuracy".

    Named `edge`.
    """
    if not runs:
        raise ValueError("There is no run to choose from.")
    left = [i for i, run in enumerate(runs) if _several(run)] or list(range(len(runs)))
    best = max(runs[i]["source_val_accuracy"] for i in left)
    sound = [i for i in left if runs[i]["source_val_accuracy"] >= best - 0.10 - 1e-9]
    return max(sound, key=lambda i: _confidence(runs[i]))


def wrong_collapse_by_mean_probability(runs):
    """Thinks that a run predicts a single class only if that class has nearly all of the
    probability; contradicts "at least two classes predicted".

    Named `edge`.
    """
    if not runs:
        raise ValueError("There is no run to choose from.")
    near = _near(runs)
    sound = [i for i in near if float(_probs(runs[i]).mean(dim=0).max()) < 0.99] or near
    return max(sound, key=lambda i: _confidence(runs[i]))


def wrong_first_that_is_sure(runs):
    """Takes the first sound run that is sure enough, and looks no further; contradicts "whatever
    the target labels and the order".

    Named `order`.
    """
    if not runs:
        raise ValueError("There is no run to choose from.")
    sound = _sound(runs)
    for i in sound:
        if _confidence(runs[i]) > 0.8:
            return i
    return max(sound, key=lambda i: _confidence(runs[i]))


def right_information(runs):
    """NumPy: the information of the predictions, entropy of the mean minus mean of the entropies;
    equal ones are told apart by what is in the runs, not by where they stand."""
    if len(runs) == 0:
        raise ValueError("Without a run there is nothing to select.")

    def entropy(p):
        return -(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=-1)

    table = []
    for position, run in enumerate(runs):
        p = torch.as_tensor(run["target_probs"]).detach().cpu().numpy().astype(np.float64)
        table.append(
            (
                position,
                float(run["source_val_accuracy"]),
                len(np.unique(p.argmax(axis=1))) > 1,
                float(entropy(p.mean(axis=0)) - entropy(p).mean()),
                p.tobytes(),
            )
        )
    best = max(row[1] for row in table)
    table = [row for row in table if best - row[1] <= 0.10 + 1e-9]
    table = [row for row in table if row[2]] or table
    return max(table, key=lambda row: (row[3], row[1], row[4]))[0]


def right_nuclear_norm(runs):
    """The sum of the singular values of the predictions, large if they are sure and diverse; one
    sort with a key of several parts instead of filters."""
    if not len(runs):
        raise ValueError("The list of runs is empty.")
    best = max(float(run["source_val_accuracy"]) for run in runs)

    def key(i):
        p = torch.as_tensor(runs[i]["target_probs"]).detach().cpu().to(torch.float64).numpy()
        near = best - float(runs[i]["source_val_accuracy"]) <= 0.10 + 1e-9
        several = len(set(p.argmax(axis=1).tolist())) >= 2
        score = np.linalg.svd(p, compute_uv=False).sum() / np.sqrt(p.size)
        return near, several, float(score), float(runs[i]["source_val_accuracy"]), p.tobytes()

    return sorted(range(len(runs)), key=key)[-1]
