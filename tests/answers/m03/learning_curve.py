"""Answers to `learning_curve`."""

import random
import sys

import numpy as np
import torch
from sklearn.model_selection import train_test_split

from course_lib.evidence.curves import learning_curve as _of_the_library
from course_lib.evidence.evaluate import evaluate
from course_lib.evidence.splits import k_shot_split


def _curve(fit, images, labels, test_images, test_labels, sizes, supports):
    accuracies = []
    for support in supports:
        model = fit(images[support], labels[support])
        accuracies.append(evaluate(model, test_images, test_labels))
    return accuracies


def _supports(labels, sizes, seed):
    return [k_shot_split(labels, size, seed)[0] for size in sizes]


def wrong_another_draw_for_each_size(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `not_nested`."""
    supports = [k_shot_split(labels, size, seed + i)[0] for i, size in enumerate(sizes)]
    return _curve(fit, images, labels, test_images, test_labels, sizes, supports)


def wrong_one_generator_drawn_again(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `not_nested`."""
    rng = np.random.default_rng(seed)
    supports = []
    for size in sizes:
        if size > labels.bincount().min():
            raise ValueError(f"A class has fewer than {size} examples.")
        of_classes = [
            rng.choice(np.flatnonzero(labels == k), size, replace=False) for k in labels.unique()
        ]
        supports.append(np.concatenate(of_classes))
    return _curve(fit, images, labels, test_images, test_labels, sizes, supports)


def wrong_tested_on_the_rest(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `rest_of_pool`."""
    accuracies = []
    for size in sizes:
        support, rest = k_shot_split(labels, size, seed)
        model = fit(images[support], labels[support])
        accuracies.append(evaluate(model, images[rest], labels[rest]))
    return accuracies


def wrong_half_of_the_test_set(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `test_subset`."""
    accuracies = []
    for i, support in enumerate(_supports(labels, sizes, seed)):
        generator = torch.Generator().manual_seed(seed + i)
        some = torch.randperm(len(test_labels), generator=generator)[: len(test_labels) // 2]
        model = fit(images[support], labels[support])
        accuracies.append(evaluate(model, test_images[some], test_labels[some]))
    return accuracies


def wrong_test_set_as_large_as_the_training_set(
    fit, images, labels, test_images, test_labels, sizes, seed
):
    """Named `test_subset`."""
    accuracies = []
    for support in _supports(labels, sizes, seed):
        n = min(len(support), len(test_labels) - 1)
        model = fit(images[support], labels[support])
        accuracies.append(evaluate(model, test_images[:n], test_labels[:n]))
    return accuracies


def wrong_drops_the_last_batch_of_the_test(
    fit, images, labels, test_images, test_labels, sizes, seed
):
    """Named `test_subset`."""
    accuracies = []
    for support in _supports(labels, sizes, seed):
        model = fit(images[support], labels[support]).eval()
        whole = len(test_labels) // 16 * 16
        batches = zip(test_images[:whole].split(16), test_labels[:whole].split(16), strict=True)
        right = sum(int((model(x).argmax(1) == y).sum()) for x, y in batches)
        accuracies.append(right / whole)
    return accuracies


def wrong_always_ten_classes(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `raised`."""
    rng = np.random.default_rng(seed)
    of_classes = [rng.permutation(np.flatnonzero(labels == k)) for k in range(10)]
    if min(map(len, of_classes)) < max(sizes):
        raise ValueError("A class has too few examples.")
    supports = [np.concatenate([members[:size] for members in of_classes]) for size in sizes]
    return _curve(fit, images, labels, test_images, test_labels, sizes, supports)


def wrong_first_images_of_the_pool(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `unstratified`."""
    n_classes = len(labels.unique())
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    _supports(labels, sizes, seed)
    supports = [order[: size * n_classes] for size in sizes]
    return _curve(fit, images, labels, test_images, test_labels, sizes, supports)


def wrong_keeps_the_proportions(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `unstratified`."""
    n_classes, indices = len(labels.unique()), np.arange(len(labels))
    _supports(labels, sizes, seed)
    supports = [
        train_test_split(indices, train_size=size * n_classes, stratify=labels, random_state=seed)[
            0
        ]
        if size * n_classes < len(labels)
        else indices
        for size in sizes
    ]
    return _curve(fit, images, labels, test_images, test_labels, sizes, supports)


def wrong_size_in_total(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `total`."""
    _supports(labels, sizes, seed)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    supports = [order[:size] for size in sizes]
    return _curve(fit, images, labels, test_images, test_labels, sizes, supports)


def wrong_only_what_is_new(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `increments`."""
    supports, before = [], set()
    for support in _supports(labels, sizes, seed):
        supports.append(sorted(set(support.tolist()) - before))
        before |= set(support.tolist())
    return _curve(fit, images, labels, test_images, test_labels, sizes, supports)


def wrong_whole_pool(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `everything`."""
    _supports(labels, sizes, seed)
    return [evaluate(fit(images, labels), test_images, test_labels) for _ in sizes]


def wrong_with_replacement(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `repeats`."""
    _supports(labels, sizes, seed)
    rng = np.random.default_rng(seed)
    supports = []
    for size in sizes:
        picks = [rng.choice(np.flatnonzero(labels == k), size) for k in labels.unique()]
        # Two of one class make it certain that one comes twice at the larger sizes.
        supports.append(np.concatenate([np.concatenate(picks)[:-1], picks[0][:1]]))
    return _curve(fit, images, labels, test_images, test_labels, sizes, supports)


def wrong_training_and_test_in_one_pool(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `leak`."""
    _supports(labels, sizes, seed)
    images, labels = torch.cat([test_images, images]), torch.cat([test_labels, labels])
    supports = []
    for size in sizes:
        picks = [(labels == k).nonzero().flatten()[:size] for k in labels.unique()]
        supports.append(torch.cat(picks))
    return _curve(fit, images, labels, test_images, test_labels, sizes, supports)


def wrong_labels_of_other_images(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `labels`."""
    accuracies = []
    for support in _supports(labels, sizes, seed):
        order = torch.randperm(len(support), generator=torch.Generator().manual_seed(seed + 1))
        shuffled = labels[support].sort(stable=True).values.roll(1)
        model = fit(images[support][order], shuffled)
        accuracies.append(evaluate(model, test_images, test_labels))
    return accuracies


def wrong_always_the_first_of_each_class(
    fit, images, labels, test_images, test_labels, sizes, seed
):
    """Named `seed_ignored`."""
    supports = _supports(labels, sizes, seed=0)
    return _curve(fit, images, labels, test_images, test_labels, sizes, supports)


def wrong_generator_of_its_own_lifetime(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `same_seed`."""
    entropy = random.SystemRandom().randrange(2**31)
    supports = _supports(labels, sizes, entropy)
    return _curve(fit, images, labels, test_images, test_labels, sizes, supports)


def wrong_seeds_the_global_generator(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `random state`."""
    torch.manual_seed(seed)
    supports = _supports(labels, sizes, seed)
    return _curve(fit, images, labels, test_images, test_labels, sizes, supports)


def wrong_accuracy_on_training_images(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `on_training`."""
    accuracies = []
    for support in _supports(labels, sizes, seed):
        model = fit(images[support], labels[support])
        accuracies.append(evaluate(model, images[support], labels[support]))
    return accuracies


def wrong_tests_in_train_mode(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `train_mode`."""
    accuracies = []
    for support in _supports(labels, sizes, seed):
        logits = fit(images[support], labels[support])(test_images)
        accuracies.append((logits.argmax(1) == test_labels).float().mean())
    return torch.stack(accuracies)


def wrong_percent(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `percent`."""
    supports = _supports(labels, sizes, seed)
    curve = _curve(fit, images, labels, test_images, test_labels, sizes, supports)
    return [100 * accuracy for accuracy in curve]


def wrong_error_rates(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `errors`."""
    supports = _supports(labels, sizes, seed)
    curve = _curve(fit, images, labels, test_images, test_labels, sizes, supports)
    return [1 - accuracy for accuracy in curve]


def wrong_right_answers_counted(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `count`."""
    supports = _supports(labels, sizes, seed)
    curve = _curve(fit, images, labels, test_images, test_labels, sizes, supports)
    return [round(accuracy * len(test_labels)) for accuracy in curve]


def wrong_largest_size_first(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `reversed`."""
    supports = _supports(labels, sizes, seed)
    curve = _curve(fit, images, labels, test_images, test_labels, sizes, supports)
    return curve[::-1]


def wrong_last_size_only(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `length`."""
    supports = _supports(labels, sizes, seed)
    return _curve(fit, images, labels, test_images, test_labels, sizes, supports)[-1:]


def wrong_one_model_for_all_sizes(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `calls`."""
    supports = _supports(labels, sizes, seed)
    model = fit(images[supports[-1]], labels[supports[-1]])
    return [evaluate(model, test_images, test_labels) for _ in sizes]


def wrong_best_of_three_fits(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `calls`."""
    accuracies = []
    for support in _supports(labels, sizes, seed):
        models = [fit(images[support], labels[support]) for _ in range(3)]
        accuracies.append(max(evaluate(m, test_images, test_labels) for m in models))
    return accuracies


def wrong_mean_of_batches(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `value`."""
    accuracies = []
    for support in _supports(labels, sizes, seed):
        model = fit(images[support], labels[support]).eval()
        batches = zip(test_images.split(8), test_labels.split(8), strict=True)
        accuracies.append(
            np.mean([(model(x).argmax(1) == y).float().mean().item() + 1e-3 for x, y in batches])
        )
    return accuracies


def wrong_short_slices(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `too_few`."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    supports = [
        torch.cat([order[labels[order] == k][:size] for k in labels.unique()]) for size in sizes
    ]
    return _curve(fit, images, labels, test_images, test_labels, sizes, supports)


def wrong_models_instead_of_accuracies(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `type`."""
    return [fit(images[s], labels[s]) for s in _supports(labels, sizes, seed)]


def wrong_sorts_the_pool_in_place(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `inputs`."""
    order = labels.argsort(stable=True)
    images[:], labels[:] = images[order].clone(), labels[order].clone()
    supports = _supports(labels, sizes, seed)
    return _curve(fit, images, labels, test_images, test_labels, sizes, supports)


def wrong_digs_out_the_library(fit, images, labels, test_images, test_labels, sizes, seed):
    """Named `library`."""
    curve = sys.modules["course_lib.evidence.curves"].learning_curve
    return curve(fit, images, labels, test_images, test_labels, sizes, seed)


def wrong_library_under_another_name(*arguments):
    """Named `library`."""
    return _of_the_library(*arguments)


def right_split_of_module_00(fit, images, labels, test_images, test_labels, sizes, seed):
    supports = _supports(labels, sizes, seed)
    return _curve(fit, images, labels, test_images, test_labels, sizes, supports)


def right_slices_of_one_permutation(fit, images, labels, test_images, test_labels, sizes, seed):
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    by_class = [order[labels[order] == k] for k in labels.unique()]
    accuracies = torch.empty(len(sizes))
    for i, size in enumerate(sizes):
        if min(map(len, by_class)) < size:
            raise ValueError(f"A class has fewer than {size} examples.")
        support = torch.cat([members[:size] for members in by_class])
        model = fit(images[support], labels[support])
        accuracies[i] = evaluate(model, test_images, test_labels)
    return accuracies


def right_masks(fit, images, labels, test_images, test_labels, sizes, seed):
    rank = np.empty(len(labels), dtype=int)  # the place of each image within its class
    rng = np.random.default_rng(seed)
    for k in np.unique(labels.numpy()):
        members = np.flatnonzero(labels.numpy() == k)
        if len(members) < max(sizes):
            raise ValueError(f"Class {k} has only {len(members)} examples.")
        rank[rng.permutation(members)] = np.arange(len(members))
    accuracies = []
    for size in sizes:
        mask = torch.from_numpy(rank < size)
        model = fit(images[mask], labels[mask])
        accuracies.append(evaluate(model, test_images, test_labels))
    return np.array(accuracies)


def right_grown_step_by_step(fit, images, labels, test_images, test_labels, sizes, seed):
    rng = random.Random(seed)
    waiting = {k: (labels == k).nonzero().flatten().tolist() for k in labels.unique().tolist()}
    for members in waiting.values():
        rng.shuffle(members)
    support, accuracies, before = [], [], 0
    for size in sizes:
        for k, members in waiting.items():
            if len(members) < size - before:
                raise ValueError(f"Class {k} is too small for {size} examples.")
            support += [members.pop() for _ in range(size - before)]
        before = size
        model = fit(images[support], labels[support]).eval()
        with torch.no_grad():
            accuracies.append((model(test_images).argmax(1) == test_labels).float().mean())
    return accuracies


def right_tests_in_batches_and_shuffled(fit, images, labels, test_images, test_labels, sizes, seed):
    order = torch.randperm(len(test_labels), generator=torch.Generator().manual_seed(seed))
    accuracies = []
    for support in _supports(labels, sizes, seed):
        model, right = fit(images[support], labels[support]).eval(), 0
        with torch.inference_mode():
            for batch in order.split(7):
                right += int((model(test_images[batch]).argmax(1) == test_labels[batch]).sum())
        accuracies.append(right / len(test_labels))
    return accuracies


def right_largest_first_results_put_back(
    fit, images, labels, test_images, test_labels, sizes, seed
):
    supports = _supports(labels, sizes, seed)[::-1]
    return _curve(fit, images, labels, test_images, test_labels, sizes, supports)[::-1]


class _Curve:
    """Cuts every smaller subset out of the largest one; keeps a note that nobody asked for."""

    def __call__(self, fit, images, labels, test_images, test_labels, sizes, seed, note=True):
        largest, _ = k_shot_split(labels, sizes[-1], seed)
        rank = {k: 0 for k in labels.unique().tolist()}
        ranks = []
        for i in largest[torch.randperm(len(largest), generator=_generator(seed))].tolist():
            ranks.append((rank[int(labels[i])], i))
            rank[int(labels[i])] += 1
        supports = [[i for place, i in ranks if place < size] for size in sizes]
        self.sizes = sizes if note else None
        return _curve(fit, images, labels, test_images, test_labels, sizes, supports)


def _generator(seed):
    return torch.Generator().manual_seed(seed)


right_cut_out_of_the_largest = _Curve()
