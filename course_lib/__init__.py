"""The library behind the transfer learning course.

Import this package and nothing heavy happens: torch is loaded by the module that needs it.

The folders, from the bottom up::

    errors, home    what a person reads when something is wrong; where local files live
    device          CPU, CUDA or MPS by one argument
    data/           images as tensors: glyphs, digits, photographs; splits by name
    models/         the backbone and its shipped weights
    evidence/       how we know: evaluation, splits, intervals, the article's claims
    plots/          arrays in, Axes out
    transfer/       train, freeze, features, linear probe, fine-tuning
    alignment/, fewshot/, dense/, peft/
                    the techniques on top of it: domain adaptation, one-shot learning, detection
                    and segmentation, parameter-efficient transfer
    capstone        the situations of the last module, and the methods to choose from
    checks/         an exercise's two sides: probes beside the learner's code, judges apart from it
    notebooks/      one text source -> instructor's and student's notebook -> the learner's copy
    grading/        submissions -> points, feedback, a table
    cli             the ``course`` command, on top of it all
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = ["check", "hint", "use"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("course_lib.checks.notebook"), name)
    raise AttributeError(f"module 'course_lib' has no attribute {name!r}")
