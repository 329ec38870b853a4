"""Answers to `best_checkpoint`."""

import copy
import io
import math
import tempfile
from pathlib import Path

import torch

from course_lib.transfer.checkpoint import best_checkpoint as _of_the_library


def _copied(model):
    return copy.deepcopy(model.state_dict())


def _search(model, train_one_epoch, val_score, epochs, better, keep=_copied, start=None):
    """Keep what is better; `better(score, best)` is asked once there is a best."""
    best = start
    for epoch in range(1, epochs + 1):
        train_one_epoch(model)
        score = val_score(model)
        if (best is None and not math.isnan(score)) or (best and better(score, best[1])):
            best = epoch, score, keep(model)
    if best is None:
        raise ValueError("No epoch has a score that is a number.")
    return best


def _higher(score, best):
    return score > best


def wrong_aliased(model, train_one_epoch, val_score, epochs):
    """Named `aliased`."""
    keep = type(model).state_dict
    return _search(model, train_one_epoch, val_score, epochs, _higher, keep)


def wrong_shallow_copy(model, train_one_epoch, val_score, epochs):
    """Named `aliased`."""
    return _search(
        model, train_one_epoch, val_score, epochs, _higher, lambda m: dict(m.state_dict())
    )


def wrong_copy_of_the_dict(model, train_one_epoch, val_score, epochs):
    """Named `aliased`."""
    return _search(
        model, train_one_epoch, val_score, epochs, _higher, lambda m: copy.copy(m.state_dict())
    )


def wrong_detached_only(model, train_one_epoch, val_score, epochs):
    """Named `aliased`."""
    return _search(
        model, train_one_epoch, val_score, epochs, _higher,
        lambda m: {name: value.detach().cpu() for name, value in m.state_dict().items()},
    )  # fmt: skip


def wrong_only_parameters_copied(model, train_one_epoch, val_score, epochs):
    """Named `aliased`."""

    def keep(m):
        return m.state_dict() | {n: p.detach().clone() for n, p in m.named_parameters()}

    return _search(model, train_one_epoch, val_score, epochs, _higher, keep)


def wrong_parameters_only(model, train_one_epoch, val_score, epochs):
    """Named `buffers`."""
    return _search(
        model, train_one_epoch, val_score, epochs, _higher,
        lambda m: {name: p.detach().clone() for name, p in m.named_parameters()},
    )  # fmt: skip


def wrong_the_model_itself(model, train_one_epoch, val_score, epochs):
    """Named `no_state`."""
    return _search(model, train_one_epoch, val_score, epochs, _higher, copy.deepcopy)


def wrong_list_of_tensors(model, train_one_epoch, val_score, epochs):
    """Named `no_state`."""
    return _search(
        model, train_one_epoch, val_score, epochs, _higher,
        lambda m: [value.clone() for value in m.state_dict().values()],
    )  # fmt: skip


def wrong_backbone_only(model, train_one_epoch, val_score, epochs):
    """Named `no_state`."""
    return _search(
        model, train_one_epoch, val_score, epochs, _higher,
        lambda m: copy.deepcopy(m.backbone.state_dict()),
    )  # fmt: skip


def wrong_copied_at_the_end(model, train_one_epoch, val_score, epochs):
    """Named `last_state`."""
    epoch, score, _ = _search(model, train_one_epoch, val_score, epochs, _higher)
    return epoch, score, _copied(model)


def wrong_copied_before_the_epoch(model, train_one_epoch, val_score, epochs):
    """Named `before`."""
    best = None
    for epoch in range(1, epochs + 1):
        state = _copied(model)
        train_one_epoch(model)
        score = val_score(model)
        if not math.isnan(score) and (best is None or score > best[1]):
            best = epoch, score, state
    if best is None:
        raise ValueError("No epoch has a score that is a number.")
    return best


def wrong_kept_in_half_precision(model, train_one_epoch, val_score, epochs):
    """Named `state`."""
    return _search(
        model, train_one_epoch, val_score, epochs, _higher,
        lambda m: {name: value.half() for name, value in m.state_dict().items()},
    )  # fmt: skip


def wrong_only_with_a_graphics_card(model, train_one_epoch, val_score, epochs):
    """Named `raised`."""
    return _search(
        model, train_one_epoch, val_score, epochs, _higher,
        lambda m: {name: value.to("cuda").cpu() for name, value in m.state_dict().items()},
    )  # fmt: skip


def wrong_average_of_the_states(model, train_one_epoch, val_score, epochs):
    """Named `state`."""
    epoch, score, state = _search(model, train_one_epoch, val_score, epochs, _higher)
    return epoch, score, {n: value + 0.37 if value.is_floating_point() else value
                          for n, value in state.items()}  # fmt: skip


def wrong_best_put_back(model, train_one_epoch, val_score, epochs):
    """Named `rewound`."""
    best = _search(model, train_one_epoch, val_score, epochs, _higher)
    model.load_state_dict(best[2])
    return best


def wrong_lower_is_better(model, train_one_epoch, val_score, epochs):
    """Named `lowest`."""
    return _search(model, train_one_epoch, val_score, epochs, lambda score, best: score < best)


def wrong_latest_of_equals(model, train_one_epoch, val_score, epochs):
    """Named `latest`."""
    return _search(model, train_one_epoch, val_score, epochs, lambda score, best: score >= best)


def wrong_last(model, train_one_epoch, val_score, epochs):
    """Named `last`."""
    return _search(
        model, train_one_epoch, val_score, epochs, lambda score, best: not math.isnan(score)
    )


def wrong_second_best(model, train_one_epoch, val_score, epochs):
    """Named `epoch`."""
    runs = []
    for epoch in range(1, epochs + 1):
        train_one_epoch(model)
        runs.append((val_score(model), -epoch, _copied(model)))
    runs = sorted((run for run in runs if not math.isnan(run[0])), key=lambda run: run[:2])
    if not runs:
        raise ValueError("No epoch has a score that is a number.")
    score, epoch, state = runs[-2:][0]
    return -epoch, score, state


def wrong_counted_from_zero(model, train_one_epoch, val_score, epochs):
    """Named `from_zero`."""
    epoch, score, state = _search(model, train_one_epoch, val_score, epochs, _higher)
    return epoch - 1, score, state


def wrong_argmax_with_nan(model, train_one_epoch, val_score, epochs):
    """Named `nan`."""
    runs = []
    for epoch in range(1, epochs + 1):
        train_one_epoch(model)
        runs.append((epoch, val_score(model), _copied(model)))
    if all(math.isnan(score) for _, score, _ in runs):
        raise ValueError("No epoch has a score that is a number.")
    return runs[int(torch.tensor([score for _, score, _ in runs]).argmax())]


def wrong_starts_from_the_first_score(model, train_one_epoch, val_score, epochs):
    """Named `nan`."""
    best = None
    for epoch in range(1, epochs + 1):
        train_one_epoch(model)
        score = val_score(model)
        if best is None or score > best[1]:
            best = epoch, score, _copied(model)
    return best


def wrong_not_lower(model, train_one_epoch, val_score, epochs):
    """Named `nan`."""
    return _search(model, train_one_epoch, val_score, epochs, lambda score, best: not score <= best)


def wrong_starts_from_zero(model, train_one_epoch, val_score, epochs):
    """Named `negative`."""
    best_epoch, best_score, best_state = 0, 0.0, None
    for epoch in range(1, epochs + 1):
        train_one_epoch(model)
        score = val_score(model)
        if score > best_score:
            best_epoch, best_score, best_state = epoch, score, _copied(model)
    return best_epoch, best_score, best_state


def wrong_score_of_the_last_epoch(model, train_one_epoch, val_score, epochs):
    """Named `score`."""
    seen = []

    def score(model):
        seen.append(val_score(model))
        return seen[-1]

    epoch, _, state = _search(model, train_one_epoch, score, epochs, _higher)
    return epoch, next(s for s in reversed(seen) if not math.isnan(s)), state


def wrong_score_rounded(model, train_one_epoch, val_score, epochs):
    """Named `score`."""
    epoch, score, state = _search(model, train_one_epoch, val_score, epochs, _higher)
    return epoch, round(score, 1) + 0.01, state


def wrong_scored_first(model, train_one_epoch, val_score, epochs):
    """Named `order`."""
    return _search(model, val_score, lambda m: (train_one_epoch(m), 0.5)[1], epochs, _higher)


def wrong_trained_and_then_scored(model, train_one_epoch, val_score, epochs):
    """Named `order`."""
    states = []
    for _ in range(epochs):
        train_one_epoch(model)
        states.append(_copied(model))
    scores = []
    for state in states:
        model.load_state_dict(state)
        scores.append(val_score(model))
    best = max(range(epochs), key=lambda k: scores[k])
    return best + 1, scores[best], states[best]


def wrong_scored_twice(model, train_one_epoch, val_score, epochs):
    """Named `calls`."""
    best = None
    for epoch in range(1, epochs + 1):
        train_one_epoch(model)
        if best is None or val_score(model) > best[1]:
            best = epoch, val_score(model), _copied(model)
    return best


def wrong_one_epoch_too_many(model, train_one_epoch, val_score, epochs):
    """Named `calls`."""
    return _search(model, train_one_epoch, val_score, epochs + 1, _higher)


def wrong_trained_again_to_the_best_epoch(model, train_one_epoch, val_score, epochs):
    """Named `calls`."""
    epoch, score, state = _search(model, train_one_epoch, val_score, epochs, _higher)
    train_one_epoch(model)
    return epoch, score, state


def wrong_stops_early(model, train_one_epoch, val_score, epochs):
    """Named `stopped`."""
    best = None
    for epoch in range(1, epochs + 1):
        train_one_epoch(model)
        score = val_score(model)
        if best is not None and score < best[1]:
            break
        best = epoch, score, _copied(model)
    return best


def wrong_one_epoch_short(model, train_one_epoch, val_score, epochs):
    """Named `stopped`."""
    best = 1, 0.0, {}
    for epoch in range(1, epochs):
        train_one_epoch(model)
        score = val_score(model)
        if score > best[1]:
            best = epoch, score, _copied(model)
    return best


def wrong_trains_a_copy(model, train_one_epoch, val_score, epochs):
    """Named `copy`."""
    return _search(copy.deepcopy(model), train_one_epoch, val_score, epochs, _higher)


def wrong_scores_a_copy(model, train_one_epoch, val_score, epochs):
    """Named `copy`."""
    return _search(model, train_one_epoch, lambda m: val_score(copy.deepcopy(m)), epochs, _higher)


def wrong_something_without_a_score(model, train_one_epoch, val_score, epochs):
    """Named `all_nan`."""
    try:
        return _search(model, train_one_epoch, val_score, epochs, _higher)
    except ValueError:
        return epochs, float("nan"), _copied(model)


def wrong_error_without_a_sentence(model, train_one_epoch, val_score, epochs):
    """Named `all_nan`."""
    try:
        return _search(model, train_one_epoch, val_score, epochs, _higher)
    except ValueError:
        raise ValueError from None


def wrong_state_only(model, train_one_epoch, val_score, epochs):
    """Named `type`."""
    return _search(model, train_one_epoch, val_score, epochs, _higher)[2]


def wrong_calls_the_library(model, train_one_epoch, val_score, epochs):
    """Named `library`."""
    return _of_the_library(model, train_one_epoch, val_score, epochs)


def right_deepcopy(model, train_one_epoch, val_score, epochs):
    return _search(model, train_one_epoch, val_score, epochs, _higher)


def right_clones_in_a_list(model, train_one_epoch, val_score, epochs):
    runs = []
    for epoch in range(1, epochs + 1):
        train_one_epoch(model)
        state = {name: value.clone() for name, value in model.state_dict().items()}
        runs.append([epoch, val_score(model), state])
    runs = [run for run in runs if run[1] == run[1]]
    if not runs:
        raise ValueError("every score is NaN, so no epoch is best")
    return max(runs, key=lambda run: run[1])


def right_saved_to_memory(model, train_one_epoch, val_score, epochs):
    buffer, best_epoch, best_score = io.BytesIO(), None, -math.inf
    for epoch in range(epochs):
        train_one_epoch(model)
        score = val_score(model)
        if score > best_score:
            best_epoch, best_score = epoch + 1, score
            buffer.seek(0)
            buffer.truncate()
            torch.save(model.state_dict(), buffer)
    if best_epoch is None:
        raise ValueError("There is no best epoch: all scores are NaN.")
    buffer.seek(0)
    return best_epoch, torch.tensor(best_score, dtype=torch.float64), torch.load(buffer)


def right_saved_to_a_file(model, train_one_epoch, val_score, epochs):
    with tempfile.TemporaryDirectory() as folder:
        scores = {}
        for epoch in range(1, epochs + 1):
            train_one_epoch(model)
            scores[epoch] = val_score(model)
            torch.save(model.state_dict(), Path(folder) / f"{epoch}.pt")
        scores = {epoch: score for epoch, score in scores.items() if not math.isnan(score)}
        if not scores:
            raise ValueError("None of the epochs has a score.")
        best = max(scores, key=scores.get)
        return best, scores[best], torch.load(Path(folder) / f"{best}.pt")


def right_twin_model(model, train_one_epoch, val_score, epochs):
    """A second model takes over the weights of the best epoch."""
    twin, best = copy.deepcopy(model), None
    for epoch in range(1, epochs + 1):
        train_one_epoch(model)
        score = val_score(model)
        if not math.isnan(score) and (best is None or best[1] < score):
            twin.load_state_dict(model.state_dict())
            best = (epoch, score)
    if best is None:
        raise ValueError("All scores were NaN: no epoch to return.")
    return (*best, twin.state_dict())


class _Keeper:
    def __call__(self, model, train_one_epoch, val_score, epochs):
        return _search(model, train_one_epoch, val_score, epochs, float.__gt__)


right_callable_object = _Keeper()
