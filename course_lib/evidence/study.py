"""A small study, run as it was planned: first the prediction, then the measurement.

Writing down the question, the method and the expected result before the data speak is called
preregistration. It keeps a study from finding, afterwards, that it had asked for whatever came out.
"""

import math
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from torch import Tensor, nn
from tqdm import tqdm

from course_lib.evidence.evaluate import evaluate
from course_lib.evidence.intervals import transfer_gain
from course_lib.evidence.notes import load, save
from course_lib.evidence.splits import k_shot_split

Fit = Callable[[Tensor, Tensor, int], nn.Module]
"""``fit(images, labels, seed)`` → a trained model."""


def write_prediction(situation: str, method: str, gain: float, low: float, high: float) -> dict:
    """Return a prediction, to be kept before the study is run.

    Parameters
    ----------
    situation
        The target task: which images, how many labels, what is different from the source.
    method
        What is compared with what, such as "freeze and probe - scratch".
    gain
        The expected gain, in the unit of the study (a difference in accuracy).
    low, high
        The range that you would bet on, low <= gain <= high.

    Returns
    -------
    dict
        The five arguments by name, and ``time``: the moment of the call, in ISO 8601.

    Raises
    ------
    ValueError
        If a number is not finite, or not low <= gain <= high.
    """
    if not all(math.isfinite(value) for value in (gain, low, high)):
        raise ValueError(f"A prediction needs finite numbers, not {gain}, {low} and {high}.")
    if not low <= gain <= high:
        raise ValueError(f"The gain lies in its range, but {gain:g} is not in [{low:g}, {high:g}].")
    return {
        "situation": situation,
        "method": method,
        "gain": gain,
        "low": low,
        "high": high,
        "time": datetime.now().astimezone().isoformat(),
    }


def run_study(
    fit_a: Fit,
    fit_b: Fit,
    images: Tensor,
    labels: Tensor,
    test_images: Tensor,
    test_labels: Tensor,
    n_shot: int,
    seeds: Sequence[int],
) -> dict[str, Any]:
    """Compare two methods on the same labelled examples, seed by seed.

    Parameters
    ----------
    fit_a, fit_b
        ``fit(images, labels, seed)`` returns a trained model; b is the baseline. Each is called
        once for each seed, with the same `k_shot_split` of that seed.
    images, labels : Tensor (N, C, H, W), (N,)
        The pool that the examples are drawn from.
    test_images, test_labels : Tensor (M, C, H, W), (M,)
        Seen once by each fitted model, and by nothing else.
    n_shot
        Labelled examples of each class.
    seeds
        At least two, all different.

    Returns
    -------
    dict
        ``a`` and ``b`` (accuracies in [0, 1], in the order of the seeds), ``mean``, ``low`` and
        ``high`` of a - b, and ``verdict``: "helps", "hurts" or "undecided" (`transfer_gain`).

    Raises
    ------
    ValueError
        Before anything is fitted: fewer than two seeds, a seed twice, or a class with fewer than
        ``n_shot`` examples.
    """
    seeds = list(seeds)
    if len(seeds) < 2 or len(set(seeds)) < len(seeds):
        raise ValueError(f"A study needs at least two seeds, all of them different, not {seeds}.")
    supports = [k_shot_split(labels, n_shot, seed)[0] for seed in seeds]
    accuracies: dict[str, list[float]] = {"a": [], "b": []}
    bar = tqdm(seeds, "seeds", leave=False, delay=3, file=sys.stdout)
    for seed, support in zip(bar, supports, strict=True):
        for name, fit in (("a", fit_a), ("b", fit_b)):
            model = fit(images[support], labels[support], seed)
            accuracies[name].append(evaluate(model, test_images, test_labels))
    effect = transfer_gain(accuracies["a"], accuracies["b"])
    return {**accuracies, "mean": effect.pop("gain"), **effect}


def preregister(prediction: dict) -> None:
    """Keep a prediction in the course folder, as `write_prediction` returns it.

    It can be revised until the study of this situation and method has been concluded.
    """
    studies, name = load("studies"), _name(prediction)
    if "result" in studies.get(name, {}):
        print("This study has been run already: its prediction stays as it was before.")
        return
    kept = prediction | {"time": str(prediction["time"])}
    kept |= {key: float(prediction[key]) for key in ("gain", "low", "high")}
    save("studies", studies | {name: {"prediction": kept}})


def conclude(prediction: dict, result: dict) -> None:
    """Keep the result of a study, as `run_study` returns it, beside its prediction.

    Raises
    ------
    ValueError
        If the prediction was not preregistered.
    """
    studies, name = load("studies"), _name(prediction)
    if name not in studies:
        raise ValueError("A result needs a prediction that was kept before it: preregister first.")
    kept = {key: [float(x) for x in result[key]] for key in ("a", "b")}
    kept |= {key: float(result[key]) for key in ("mean", "low", "high")}
    kept["verdict"] = str(result["verdict"])
    save("studies", studies | {name: studies[name] | {"result": kept}})


def studies() -> list[dict]:
    """Return the learner's studies in the order of writing: ``prediction`` and ``result``, if any.

    A study without a result was planned and not run.
    """
    return [entry for entry in load("studies").values() if "prediction" in entry]


def _name(prediction: dict) -> str:
    return f"{prediction['situation']}: {prediction['method']}"
