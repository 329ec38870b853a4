"""The judge of `linear_probe`: what a probe would be, rightly and under each misconception.

Data are not merely random. Validation and test labels follow the predictions of chosen candidates,
so that every way to choose a strength picks another one, always; and points on which a slightly
imprecise solver could change its mind are left out, so that one that is right is never unlucky.
"""

import random
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.checks.judges.reading import describe, number, returned, tensor
from course_lib.checks.judges.specs import draw
from course_lib.checks.run import Ask
from course_lib.checks.verdict import NotYet

KEYS = ("strength", "weight", "bias", "test_accuracy")
EVERYTHING = 3  # the number of classes at which every misconception must be visible
TOLERANCE = 0.05  # of class probabilities, from the contract
APART = 0.03  # what tells two misconceptions apart that choose the same strength
N_NOISY = 7  # labels that no candidate predicts, in each set that is designed
VISIBLE = 0.08  # what every misconception must change a probability by


class Case(NamedTuple):
    """One data set, and all the judge knows about it."""

    inputs: dict
    points: Tensor  # (M, D + 1), which the learner's side never sees
    lines: dict[str, Tensor]  # misconception: (variants, strengths, K, D + 1)
    refits: Tensor  # (variants, K, D + 1): fitted on training and validation data
    chosen: dict[str, set[int]]  # way to choose: the positions in `strengths` it may lead to


def linear_probe(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    cases = [(3, True), (2, False)]
    if hard:
        cases += [(4, None)]
    for i, (classes, stronger_last) in enumerate(cases):
        case = draw_case(rng, classes, stronger_last)
        _read(ask(case.inputs), case)
        if i == 0 or (hard and i == 1):
            # Other test labels, and a class missing among them: only the accuracy may change.
            zeros = torch.zeros_like(case.inputs["test_y"])
            other = case._replace(inputs={**case.inputs, "test_y": zeros})
            try:
                _read(ask(other.inputs), other)
            except NotYet as found:
                if found.key in ("test_accuracy", "percent"):
                    raise
                raise NotYet("test", expected=found.expected, seen=found.seen) from None


def draw_case(rng: torch.Generator, classes: int, stronger_last: bool | None) -> Case:
    """Draw until every misconception is visible; away from three classes, those that need it.

    `stronger_last` says where in the list the stronger of two tied strengths stands; with None
    there is no tie.
    """
    while True:
        case = _try_case(rng, classes, stronger_last)
        if case is not None:
            return case


def _try_case(rng: torch.Generator, classes: int, stronger_last: bool | None) -> Case | None:
    # Few enough examples that the penalty counts; classes of unequal size and features off zero,
    # so that the bias counts; features of unequal scale, so that standardising shows.
    d = classes + draw(rng, 1, 2)
    centres = torch.randn(classes, d, generator=rng)
    scale = 0.3 + 2.7 * torch.rand(d, generator=rng)
    shift = 3 * torch.rand(d, generator=rng) - 1.5

    def features(labels: Tensor, spread: float) -> Tensor:
        noise = spread * torch.randn(len(labels), d, generator=rng)
        return ((centres[labels] + noise) * scale + shift).float()

    sizes = [draw(rng, 36, 44), *(draw(rng, 12, 20) for _ in range(classes - 1))]
    train_y = torch.arange(classes).repeat_interleave(torch.tensor(sizes))
    train_y = train_y[torch.randperm(len(train_y), generator=rng)]
    train_x = features(train_y, 1.0)
    train_y[:4] = (train_y[:4] + 1) % classes  # not separable: without a penalty there is a fit too
    strengths = torch.tensor([0.1, 4.0, 16.0, 64.0, 256.0][: 5 if classes == EVERYTHING else 4])
    strengths = (strengths * (0.85 + 0.3 * torch.rand(len(strengths), generator=rng))).double()
    lines = all_lines(train_x.double(), train_y, strengths)
    right = lines["right"]

    # A pool of points on which all right candidates, at two classes of both kinds, are clear.
    labels = torch.randint(classes, (1500,), generator=rng)
    pool = features(labels, 1.6)
    p = probabilities(with_ones(pool.double()), right)
    gap = p.topk(2, dim=-1).values.diff(dim=-1).abs().amin(dim=(0, 1)).squeeze(-1)
    predicted = p.argmax(dim=-1)
    clear = (gap > 0.03) & (predicted == predicted[0]).all(dim=0).all(dim=0)
    pool, predicted = pool[clear], predicted[0][:, clear]
    surest = p[0].amax(dim=-1).mean(dim=0)[clear].argsort(descending=True)
    points = with_ones(features(torch.randint(classes, (80,), generator=rng), 1.3).double())

    train_accuracy = _accuracies(right, train_x, train_y).amax(dim=0)
    by_training = {int(i) for i in (train_accuracy == train_accuracy.max()).nonzero()}
    tied = 2 if stronger_last is not None else 1
    plans = [
        (set(range(first, first + tied)), by_test)
        for first in range(len(strengths) - tied + 1)
        for by_test in range(len(strengths))
    ]
    random.Random(draw(rng, 0, 2**30)).shuffle(plans)
    for best, by_test in plans:
        if by_test in best or by_training & (best | {by_test}):
            continue
        val = _labelled_by(rng, predicted, surest, best, classes, draw(rng, 44, 56))
        test = _labelled_by(rng, predicted, surest, {by_test}, classes, draw(rng, 57, 70))
        if val is None or test is None:
            continue
        val_x, val_y, test_x, test_y = pool[val[0]], val[1], pool[test[0]], test[1]
        if len(test_y.unique()) < classes:
            continue
        chosen = {
            "right": {max(best)},
            "tie": best - {max(best)},
            "test": {by_test},
            "train": by_training,
            "loss": {int(i) for i in _losses(right, val_x, val_y).argmin(dim=-1)},
        }
        if classes != EVERYTHING and chosen["loss"] & set.union(*list(chosen.values())[:-1]):
            chosen["loss"] = set()
        if sum(map(len, chosen.values())) != len(set.union(*chosen.values())):
            continue
        case = Case(
            inputs={
                "train_x": train_x,
                "train_y": train_y,
                "val_x": val_x,
                "val_y": val_y,
                "test_x": test_x,
                "test_y": test_y,
                "strengths": strengths.tolist(),
            },
            points=points,
            lines=lines,
            refits=_refits(train_x, train_y, val_x, val_y, strengths[max(best)]),
            chosen=chosen,
        )
        if _all_visible(case):
            return _shuffled(rng, case, stronger_last)
    return None


def _labelled_by(
    rng: torch.Generator,
    predicted: Tensor,
    surest: Tensor,
    winners: set[int],
    classes: int,
    size: int,
) -> tuple[Tensor, Tensor] | None:
    """Choose points and labels for which exactly these candidates are the most accurate.

    All winners predict the label of every point, every other candidate misses five. Then some of
    the surest predictions, on which all agree, get another label: no accuracy can tell the
    candidates apart by them, but the cross-entropy prefers whoever was less sure.
    """
    first = min(winners)
    agree = (predicted[sorted(winners)] == predicted[first]).all(dim=0)
    order = torch.randperm(predicted.shape[1], generator=rng)
    taken: list[int] = []
    for other in set(range(len(predicted))) - winners:
        missed = order[(agree & (predicted[other] != predicted[first]))[order]].tolist()
        taken += [i for i in missed if i not in taken][: max(0, 5 - len({*missed} & {*taken}))]
        if len(missed) < 5:
            return None
    unanimous = (predicted == predicted[first]).all(dim=0)
    noisy = surest[unanimous[surest]][:60]
    noisy = noisy[torch.randperm(len(noisy), generator=rng)][:N_NOISY].tolist()
    rest = [i for i in order[unanimous[order]].tolist() if i not in noisy]
    rest = rest[: size - len(taken) - len(noisy)]
    index = torch.tensor(taken + rest + noisy)
    if len(index) < size:
        return None
    labels = predicted[first][index]
    labels[-N_NOISY:] = (labels[-N_NOISY:] + 1) % classes
    shuffle = torch.randperm(len(index), generator=rng)
    return index[shuffle], labels[shuffle]


def _all_visible(case: Case) -> bool:
    """Whether each misconception is clearly neither right nor another misconception."""
    right, inputs = case.lines["right"], case.inputs
    best = max(case.chosen["right"])
    wanted = {2: ["two_rows", "bias_penalised"], EVERYTHING: case.lines.keys() - {"right"}}
    made = {key: _choices(case, key) for key in wanted.get(right.shape[2], [])}
    for key, choices in made.items():
        for choice, line in choices:
            if _distances(case.points, line[None], right[:, choice]).min() < VISIBLE:
                return False
            for other in made.keys() - {key}:
                alike = [line for again, line in made[other] if again == choice]
                if alike and _distances(case.points, line[None], torch.stack(alike)).min() < APART:
                    return False
    if {i for i, _ in made.get("inverted", [])} & {i for i, _ in made.get("no_penalty", [])}:
        return False  # a tiny penalty or none: solvers stop too early to tell
    if right.shape[2] != EVERYTHING:
        return True
    between = [
        _distances(case.points, right[:, i], right[:, j]).min()
        for i in range(right.shape[1])
        for j in range(i)
    ]
    if (
        min(between) < VISIBLE
        or _distances(case.points, case.refits, right[:, best]).min() < VISIBLE
    ):
        return False
    accuracy = [
        _accuracies(right[0], inputs[f"{part}_x"], inputs[f"{part}_y"])
        for part in ("train", "val", "test")
    ]
    others = [accuracy[0][best], accuracy[1][best], accuracy[2].max()]
    return all(
        abs(float(other - accuracy[2][best])) > 2 / len(inputs["test_y"]) for other in others
    )


def _choices(case: Case, key: str) -> list[tuple[int, Tensor]]:
    """What somebody with this misconception may choose, and then return.

    The strength that is best for them, and any that is behind by one validation point at most:
    their solver may be slightly imprecise, and no point was chosen to be clear for them.
    """
    n = len(case.inputs["val_y"])
    accuracy = _accuracies(case.lines[key], case.inputs["val_x"], case.inputs["val_y"])
    strengths = case.inputs["strengths"]
    choices = []
    for lines, of in zip(case.lines[key], accuracy, strict=True):
        kept: list[tuple[int, Tensor]] = []
        for i in sorted(range(len(strengths)), key=strengths.__getitem__, reverse=True):
            # Of identical fits only the strongest can win.
            if of[i] > of.max() - 1.01 / n and not any(
                torch.allclose(lines[i], k) for _, k in kept
            ):
                kept.append((i, lines[i]))
        choices += kept
    return choices


def _shuffled(rng: torch.Generator, case: Case, stronger_last: bool | None) -> Case:
    """Put the candidates into a random order, the stronger of two tied ones last or first."""
    order = torch.randperm(len(case.inputs["strengths"]), generator=rng).tolist()
    if stronger_last is not None:
        (weaker,), (stronger,) = case.chosen["tie"], case.chosen["right"]
        i, j = order.index(weaker), order.index(stronger)
        if (j > i) != stronger_last:
            order[i], order[j] = order[j], order[i]
    return case._replace(
        inputs={**case.inputs, "strengths": [case.inputs["strengths"][i] for i in order]},
        lines={key: lines[:, order] for key, lines in case.lines.items()},
        chosen={key: {order.index(i) for i in ways} for key, ways in case.chosen.items()},
    )


def _read(answer: dict, case: Case) -> None:
    value = returned(answer)
    expected = f"a dict with the keys {', '.join(sorted(KEYS))}"
    if not isinstance(value, dict) or "object of type" in value:
        raise NotYet("type", expected=expected, seen=describe(value))
    if not set(KEYS) <= value.keys():
        raise NotYet("keys", expected=expected, seen=describe(value))
    strength = number(value["strength"], expected="one of the strengths, a number")
    candidates = torch.tensor(case.inputs["strengths"]).double()
    # A strength may have been a float32 on its way.
    index = int((candidates / strength - 1).abs().argmin()) if strength else 0
    if abs(float(candidates[index]) - strength) > 1e-4 * strength:
        seen = f"{strength:.4g}"
        listed = ", ".join(f"{s:.3g}" for s in candidates.tolist())
        raise NotYet("not_a_candidate", expected=f"one of {listed}", seen=seen)
    line = _read_line(value, case)
    _read_objective(line, index, case)
    if index not in case.chosen["right"]:
        key = next((key for key, ways in case.chosen.items() if index in ways), "strength")
        (best,) = case.chosen["right"]
        scores = _accuracies(case.lines["right"][0], case.inputs["val_x"], case.inputs["val_y"])
        raise NotYet(
            key,
            expected=f"{candidates[best]:.3g}, validation accuracy {scores[best]:.3f}",
            seen=f"{candidates[index]:.3g}, validation accuracy {scores[index]:.3f}",
        )
    _read_accuracy(value["test_accuracy"], line, case)


def _read_line(value: dict, case: Case) -> Tensor:
    _, _, classes, columns = case.lines["right"].shape
    weight, bias = value["weight"], value["bias"]
    expected = f"weight of shape ({classes}, {columns - 1}): one row for each class"
    if isinstance(weight, Tensor):
        shape = tuple(weight.shape)
        if shape == (columns - 1, classes):
            raise NotYet("transposed", expected=expected, seen=describe(weight))
        if classes == 2 and weight.numel() == columns - 1:
            raise NotYet("one_row", expected=expected, seen=describe(weight))
        if shape == (classes, columns):
            raise NotYet("bias_inside", expected=expected, seen=describe(weight))
    weight = tensor(weight, (classes, columns - 1), expected=expected)
    if isinstance(bias, list) and all(isinstance(b, int | float) for b in bias):
        bias = torch.tensor(bias)
    bias = tensor(bias, (classes,), expected=f"bias of shape ({classes},)")
    return torch.cat([weight.double(), bias.double()[:, None]], dim=1)


def _read_objective(line: Tensor, index: int, case: Case) -> None:
    """Require the minimum of the right objective, at the strength that was returned."""
    right = case.lines["right"]
    off = float(_distances(case.points, line[None], right[:, index]).min())
    if off <= TOLERANCE:
        return
    slips = {key: lines[:, index] for key, lines in case.lines.items() if key != "right"}
    # Only who would have chosen this strength; if that explains nothing, anybody.
    likely = {
        key: torch.stack(lines)
        for key in slips
        if (lines := [line for choice, line in _choices(case, key) if choice == index])
    }
    if index in case.chosen["right"]:
        likely["refit"] = case.refits
        likely["another_strength"] = right.flatten(0, 1)
    if len(line) == 2:
        likely["swapped_rows"] = right[:, index].flip(1)
    key = "probabilities"
    for group in (likely, slips):
        near = {name: _distances(case.points, line[None], of).min() for name, of in group.items()}
        if key == "probabilities" and near and min(near.values()) < TOLERANCE / 2:
            key = min(near, key=near.__getitem__)
    if key == "probabilities":
        scaled = torch.cat([_standardised(case, index, part) for part in ("val", "test")])
        if _distances(case.points, line[None], scaled).min() < TOLERANCE / 2:
            key = "standardised"
    if key == "probabilities":
        # Nearly without a penalty, classes that can be told apart have no best weights, only ever
        # larger ones, and where a solver stops is chance. Not so the loss on the training data:
        # it is as small as it gets.
        train = case.inputs["train_x"], case.inputs["train_y"]
        if _losses(line, *train) < 1.03 * _losses(case.lines["no_penalty"][0, 0], *train) + 0.003:
            key = next((name for name in ("no_penalty", "inverted") if name in likely), key)
    raise NotYet(
        key,
        expected=f"class probabilities within {TOLERANCE} of the minimum's, on fresh points",
        seen=f"off by up to {off:.2f}, at strength {case.inputs['strengths'][index]:.3g}",
    )


def _read_accuracy(value: object, line: Tensor, case: Case) -> None:
    seen = number(value, expected="test_accuracy, one number in [0, 1]")
    inputs = case.inputs
    n = len(inputs["test_y"])
    truth = float(_accuracies(line, inputs["test_x"], inputs["test_y"]))
    # One point may lie so near a boundary that rounding to float32 moves it across.
    if abs(seen - truth) <= 1.01 / n:
        return
    others = {
        "percent": [100 * truth, float(round(n * truth))],
        "validation_accuracy": [_accuracies(line, inputs["val_x"], inputs["val_y"])],
        "training_accuracy": [_accuracies(line, inputs["train_x"], inputs["train_y"])],
        "best_test": [_accuracies(case.lines["right"], inputs["test_x"], inputs["test_y"]).max()],
        "error": [1 - truth],
    }
    key = next(
        (
            key
            for key, of in others.items()
            if any(abs(seen - float(o)) < 1e-5 * max(1, seen) for o in of)
        ),
        "test_accuracy",
    )
    raise NotYet(key, expected=f"{truth:.3f} ({n} test points)", seen=f"{seen:.4g}")


def all_lines(x: Tensor, y: Tensor, strengths: Tensor) -> dict[str, Tensor]:
    """Fit the right objective and every mistaken one, at all strengths.

    Returns
    -------
    dict
        For each key (variants, S, K, D + 1), the bias in the last column. Two classes have two
        right variants: the penalty on two rows, or on their difference, which is twice as strong.
    """
    n, d = x.shape
    twice = [1.0, 2.0] if int(y.max()) == 1 else [1.0]
    mean, std = x.mean(dim=0), x.std(dim=0, correction=0)
    flat = torch.zeros_like(strengths)
    objectives = {  # penalty of the weights, of the bias
        "right": (strengths, flat),
        "inverted": (1 / strengths, flat),
        "mean": (strengths * n, flat),
        "bias_penalised": (strengths, strengths),
        "no_bias": (strengths, flat + 1e9),
        "no_penalty": (flat + 1e-4, flat),
        "standardised": (strengths, flat),
    }
    if len(twice) == 1:  # at two classes this is the penalty on one row, which is right
        objectives["half"] = (2 * strengths, flat)
    penalties, inputs = [], []
    for key, (weights, bias) in objectives.items():
        for factor in twice:
            both = [weights[:, None].expand(-1, d), bias[:, None]]
            penalties.append(factor * torch.cat(both, dim=1))
            inputs.append(with_ones((x - mean) / std if key == "standardised" else x))
    stacked = torch.stack(inputs).repeat_interleave(len(strengths), dim=0)
    fitted = fit(stacked, y, torch.cat(penalties)).unflatten(0, (-1, len(twice), len(strengths)))
    lines = dict(zip(objectives, fitted, strict=True))
    # Weights for standardised features, translated back to the features as given or not.
    back = lines["standardised"].clone()
    back[..., :-1] /= std
    back[..., -1] -= (back[..., :-1] * mean).sum(dim=-1)
    lines["standardised"] = torch.cat([lines["standardised"], back])
    if len(twice) == 2:  # the one row w made into -w and w: their difference is 2 w
        lines["two_rows"] = 2 * lines["right"]
    return lines


def _refits(x: Tensor, y: Tensor, val_x: Tensor, val_y: Tensor, strength: Tensor) -> Tensor:
    both = with_ones(torch.cat([x, val_x]).double())
    factors = torch.tensor([1.0, 2.0] if int(y.max()) == 1 else [1.0]).double()
    penalty = (factors * strength)[:, None].repeat(1, both.shape[1])
    penalty[:, -1] = 0
    return fit(both.expand(len(factors), -1, -1), torch.cat([y, val_y]), penalty)


def _standardised(case: Case, index: int, part: str) -> Tensor:
    """Lines (variants, K, D + 1) for features standardised by the validation or test set's own."""
    x, y = case.inputs["train_x"].double(), case.inputs["train_y"]
    others = case.inputs[f"{part}_x"].double()
    scaled = with_ones((x - others.mean(dim=0)) / others.std(dim=0, correction=0))
    factors = torch.tensor([1.0, 2.0] if int(y.max()) == 1 else [1.0]).double()
    penalty = (factors * case.inputs["strengths"][index])[:, None].repeat(1, scaled.shape[1])
    penalty[:, -1] = 0
    return fit(scaled.expand(len(factors), -1, -1), y, penalty)


def _accuracies(lines: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Accuracy (...) of lines (..., K, D + 1)."""
    return ((with_ones(x.double()) @ lines.mT).argmax(dim=-1) == y).double().mean(dim=-1)


def _losses(lines: Tensor, x: Tensor, y: Tensor) -> Tensor:
    p = probabilities(with_ones(x.double()), lines)
    return -p[..., torch.arange(len(y)), y].log().mean(dim=-1)


def _distances(points: Tensor, lines: Tensor, others: Tensor) -> Tensor:
    """Largest difference of a class probability (A, B) of lines (A, K, P) and others (B, K, P)."""
    p, q = probabilities(points, lines), probabilities(points, others)
    return (p[:, None] - q[None]).abs().amax(dim=(2, 3))


def fit(x: Tensor, y: Tensor, penalty: Tensor) -> Tensor:
    """Minimise sum of cross-entropies + 1/2 · sum penalty · weight², for a batch of problems.

    Newton's method: from zero it needs a few steps, and one step solves all problems together.

    Parameters
    ----------
    x : Tensor (B, N, P), float64
        The features of each problem; a column of ones makes a bias.
    y : Tensor (N,)
        Labels 0…K-1, the same for all.
    penalty : Tensor (B, P)
        Of each column, at least 0.

    Returns
    -------
    Tensor (B, K, P)
    """
    targets = F.one_hot(y).double()
    classes, columns = targets.shape[1], x.shape[2]
    weight = torch.zeros(len(x), classes, columns, dtype=torch.float64)
    squares = (x[..., :, None] * x[..., None, :]).flatten(2)
    # The same number added to every unpenalised bias changes nothing: a touch of penalty on
    # everything keeps the equations solvable, and is far too small to be seen.
    ridge = (penalty[:, None, :] + 1e-7).expand_as(weight)
    eye = torch.eye(classes, dtype=torch.float64)
    for _ in range(50):
        p = torch.softmax(x @ weight.mT, dim=2)
        gradient = (p - targets).mT @ x + ridge * weight
        curvature = p[..., None] * eye - p[..., None] * p[:, :, None, :]
        hessian = curvature.flatten(2).mT @ squares
        hessian = hessian.view(-1, classes, classes, columns, columns).transpose(2, 3)
        hessian = hessian.reshape(-1, classes * columns, classes * columns)
        hessian.diagonal(dim1=1, dim2=2).add_(ridge.flatten(1))
        step = torch.linalg.solve(hessian, gradient.flatten(1)).view_as(weight)
        # No longer than 3: far from the solution a whole step of Newton's may jump over it.
        step *= (3 / step.flatten(1).norm(dim=1).clamp(min=3))[:, None, None]
        weight = weight - step
        if step.abs().max() < 1e-4:
            break
    return weight


def with_ones(x: Tensor) -> Tensor:
    """Append a column of ones: (..., N, D) -> (..., N, D + 1)."""
    return torch.cat([x, torch.ones_like(x[..., :1])], dim=-1)


def probabilities(x: Tensor, lines: Tensor) -> Tensor:
    """Class probabilities (..., N, K) of features (N, P) under lines (..., K, P)."""
    return torch.softmax(x @ lines.mT, dim=-1)
