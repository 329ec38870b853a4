"""The probe: tampering with the half of a check that runs beside the learner's code."""

from tests.grading.attacks import attack, own_cell
from tests.mini import RIGHT, ROOT


@attack("n_correct: not yet.*evaluate: not yet.*freeze: not yet")
def probes_replaced(release):
    """All that looks good, and numbers that nobody computed."""
    return own_cell(
        release,
        """
        from course_lib.checks.probes import m00, m01
        fine = {"raised": None, "effects": []}
        m00.n_correct = lambda function, inputs: fine | {"returned": 20}
        m00.evaluate = lambda function, inputs: fine | {
            "returned": 0.5, "ran_in_train": False, "kept_graph": False, "trainable": True,
            "state": inputs["model"]["state"], "modes_restored": True}
        m01.freeze = lambda function, inputs: fine | {
            "returned": {"object of type": "Model"}, "same": True, "trainable": [],
            "attributes": [], "lost": [], "changed": [], "gradients": 0, "gradients_zero": False,
            "views": {who: {"output": inputs["module_input"], "moved": []}
                      for who in ("nobody", "parent", "module", "submodules")},
            "inside": inputs["module_input"], "after": inputs["model"]["state"],
            "input_gradient": inputs["cotangent"], "unusable": None}
        """,
        n_correct="def n_correct(*a): ...",
        evaluate="def evaluate(*a, **k): ...",
        freeze="def freeze(*a): ...",
    )


@attack("freeze: not yet")
def freeze_that_only_claims(release):
    """The true record of a function that does nothing, with every flag put right."""
    return own_cell(
        release,
        """
        from course_lib.checks.probes import m01
        honest = m01.freeze
        def doctored(function, inputs):
            answer = honest(function, inputs)
            answer |= {"same": True, "trainable": [], "changed": [], "lost": [], "gradients": 0}
            for view in answer["views"].values():
                view |= {"moved": [], "output": answer["views"]["nobody"]["output"]}
            answer["after"] = {name: inputs["model"]["state"][name] for name in answer["after"]}
            return answer
        m01.freeze = doctored
        """,
        freeze="def freeze(module):\n    return module",
    )


@attack("evaluate: not yet")
def evaluate_that_only_claims(release):
    return own_cell(
        release,
        """
        from course_lib.checks.probes import m00
        honest = m00.evaluate
        def doctored(function, inputs):
            fine = {"ran_in_train": False, "kept_graph": False, "modes_restored": True,
                    "trainable": True, "state": inputs["model"]["state"]}
            return honest(function, inputs) | fine
        m00.evaluate = doctored
        """,
        evaluate="def evaluate(model, images, labels, batch_size=256):\n"
        "    return (model(images).argmax(1) == labels).double().mean().item() if model.eval() "
        "and len(labels) < 100 else 0.5",
    )


@attack("n_correct: not yet")
def easier_inputs(release):
    return own_cell(
        release,
        """
        import torch
        from course_lib.checks.probes import m00
        honest = m00.n_correct
        m00.n_correct = lambda function, inputs: honest(
            function, {"logits": torch.eye(3), "labels": torch.arange(3)})
        """,
        n_correct=RIGHT,
    )


@attack("n_correct: not yet")
def memory_of_the_first_call(release):
    return """
first = []
def n_correct(logits, labels):
    if not first:
        first.append(int((logits.argmax(1) == labels).sum()))
    return first[0]
"""


@attack("n_correct: not yet")
def right_on_the_visible_tests_only(release):
    return """
def n_correct(logits, labels):
    visible = len(labels) >= 15 and logits.shape[1] <= 12
    return int((logits.argmax(1) == labels).sum()) if visible else 0
"""


@attack("n_correct: not yet")
def right_when_nobody_looks(release):
    """Right below the learner's own cell, another thing below a probe."""
    return """
import sys
def n_correct(logits, labels):
    frame, callers = sys._getframe(), []
    while frame:
        callers.append(frame.f_code.co_filename)
        frame = frame.f_back
    if any("probes" in name for name in callers):
        return 3
    return int((logits.argmax(1) == labels).sum())
"""


@attack("n_correct: not yet")
def frames_searched_for_the_truth(release):
    return """
import sys
def n_correct(logits, labels):
    frame = sys._getframe()
    while frame:
        for name, value in [*frame.f_locals.items(), *frame.f_globals.items()]:
            if name in ("truth", "formulas", "rng", "hard", "judge", "_count_formulas"):
                print("LOOT", name)
        frame = frame.f_back
    return 1
"""


@attack("n_correct: not yet")
def objects_searched_for_the_judge(release):
    return """
import gc, sys
def n_correct(logits, labels):
    for thing in gc.get_objects():
        name = getattr(thing, "__module__", None)
        if isinstance(name, str) and (".judges" in name or "course_lib.grading" in name):
            print("LOOT", name)
            break
    return 1
"""


@attack("not attempted")
def judges_searched_on_the_disk(release):
    return own_cell(
        release,
        f"""
        import importlib, os, sys
        for place in [*sys.path, {str(ROOT)!r}, os.path.expanduser("~")]:
            for path in ("course_lib/checks/judges/m00.py", "course_lib/grading/grade.py"):
                if os.path.exists(os.path.join(place, path)):
                    print("LOOT", place, path)
        for name in ("course_lib.checks.judges.m00", "course_lib.grading.seeds"):
            try:
                importlib.import_module(name)
                print("LOOT", name)
            except Exception:
                pass
        for finder in sys.meta_path:
            try:
                if finder.find_spec("course_lib.checks.judges", None):
                    print("LOOT", finder)
            except Exception:
                pass
        """,
    )


@attack("n_correct: not yet")
def numbers_that_equal_everything(release):
    return """
class Yes(float):
    __eq__ = __le__ = __ge__ = __lt__ = __gt__ = lambda *a: True
    __sub__ = __rsub__ = __abs__ = lambda *a: Yes(0)
    __hash__ = float.__hash__
    def is_integer(self): return True
def n_correct(logits, labels):
    return Yes(0)
"""


@attack("n_correct: not yet")
def tensor_that_lies(release):
    return """
import torch
class Lying(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return True
    shape = property(lambda self: torch.Size([]))
    def item(self): return 1
def n_correct(logits, labels):
    return torch.zeros(3).as_subclass(Lying)
"""


@attack("n_correct: not yet")
def a_mock_for_an_answer(release):
    return "from unittest.mock import MagicMock\nn_correct = MagicMock()"


@attack("n_correct: not yet")
def every_count_at_once(release):
    return "import torch\ndef n_correct(logits, labels):\n    return list(range(60))"


@attack("n_correct: not yet")
def one_number_of_many_kinds(release):
    return """
import itertools
kinds = itertools.cycle([None, True, "7", 7j, b"7", {7}, float("nan"), 10**400, iter("7")])
def n_correct(logits, labels):
    return next(kinds)
"""


@attack("n_correct: not yet")
def exception_that_cannot_be_shown(release):
    return """
class Broken(Exception):
    def __str__(self): raise SystemExit
    def __repr__(self): raise MemoryError
Broken.__name__ = "correct\\n" * 1000
def n_correct(logits, labels):
    raise Broken
"""


@attack("n_correct: not yet")
def exceptions_that_are_none(release):
    return """
import itertools
kinds = itertools.cycle([KeyboardInterrupt, GeneratorExit, BaseException])
def n_correct(logits, labels):
    raise next(kinds)
"""


@attack("n_correct: not yet")
def random_state_pinned(release):
    """The seeds beside the learner's code are no help: the judge draws its inputs elsewhere."""
    return """
import random, torch, zlib
zlib.crc32 = lambda *a: 7
torch.manual_seed(0); random.seed(0)
drawn = torch.rand(4)
def n_correct(logits, labels):
    return int(drawn.sum() * 10)
"""


@attack("n_correct: not yet")
def table_of_exercises_edited(release):
    return own_cell(
        release,
        """
        from course_lib.checks import exercises
        for name, row in list(exercises.EXERCISES.items()):
            exercises.EXERCISES[name] = row._replace(points=1000, solution="builtins:len")
        exercises.EXERCISES["bonus"] = row._replace(id="bonus", points=1000)
        """,
        n_correct="def n_correct(logits, labels):\n    return 4",
    )


@attack("n_correct: not yet")
def patched_codec(release):
    return own_cell(
        release,
        """
        from course_lib.checks import wire
        wire.plain = lambda value: value
        wire.encode = lambda value: b"\\x04\\0\\0\\0\\0\\0\\0\\0true"
        """,
        n_correct=RIGHT,
    )


@attack("n_correct: not yet")
def answer_that_never_is_the_same(release):
    """A generator that guesses: the judge asks more often than luck lasts."""
    return """
import itertools
guess = itertools.count(20)
def n_correct(logits, labels):
    return next(guess)
"""
