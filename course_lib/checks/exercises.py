"""The table of exercises: one row each, in the order of the course."""

from typing import NamedTuple


class Exercise(NamedTuple):
    """What is known of an exercise before it is run; difficulty is 1 (easy) to 3 (hard)."""

    id: str
    module: str
    points: int
    minutes: int
    difficulty: int
    signature: str
    solution: str | None  # "package.module:function" in this library; None: read by a person

    @property
    def section(self) -> str:
        """The file of the module's probe, judge and messages, such as ``m01``."""
        return "m" + self.module[:2]


_START, _FEATURES = "00_start_here", "01_feature_extraction"

EXERCISES: dict[str, Exercise] = {
    row.id: row
    for row in (
        Exercise(
            "n_correct", _START, 1, 2, 1,
            "(logits (N, K), labels (N,)) -> int",
            "course_lib.evidence.evaluate:n_correct",
        ),
        Exercise(
            "evaluate", _START, 3, 10, 2,
            "(model, images, labels, batch_size=256) -> float in [0, 1]",
            "course_lib.evidence.evaluate:evaluate",
        ),
        Exercise(
            "k_shot_split", _START, 3, 10, 2,
            "(labels (N,), n_shot, seed) -> (support, rest)",
            "course_lib.evidence.splits:k_shot_split",
        ),
        Exercise(
            "paired_effect", _START, 3, 10, 2,
            "(a (S,), b (S,)) -> (mean, low, high)",
            "course_lib.evidence.intervals:paired_effect",
        ),
        Exercise(
            "preprocess", _FEATURES, 2, 5, 1,
            "(images uint8 (N, C, H, W), mean (C,), std (C,)) -> float32 (N, C, H, W)",
            "course_lib.transfer.features:preprocess",
        ),
        Exercise(
            "extract_features", _FEATURES, 3, 10, 2,
            "(model, images, batch_size=256) -> (N, D)",
            "course_lib.transfer.features:extract_features",
        ),
        Exercise(
            "linear_probe", _FEATURES, 4, 15, 2,
            "(train_x, train_y, val_x, val_y, test_x, test_y, strengths)"
            " -> dict(strength, weight, bias, test_accuracy)",
            "course_lib.transfer.probe:linear_probe",
        ),
        Exercise(
            "freeze", _FEATURES, 4, 20, 3,
            "(module) -> the same module, frozen",
            "course_lib.transfer.freeze:freeze",
        ),
        Exercise(
            "why_frozen_features", _FEATURES, 2, 8, 2,
            "a written answer of at most 80 words",
            None,
        ),
    )
}  # fmt: skip
