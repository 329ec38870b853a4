"""Mutants of the reference solutions: every small slip a machine can make in the right answer.

The reference is what stands between ``### BEGIN SOLUTION`` and ``### END SOLUTION`` in the
notebook. A mutant changes one place of it: an operator, a constant, an argument, a call such as
``.detach()`` taken away, a line dropped. `survived` tells whether the checks see it; those which no
input tells from the reference stand in ``same.py``, each with the proof.

A mutant's name is its line before and after the change, so it stays valid when other lines move.
"""

import ast
import copy
import re
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from course_lib.checks import run
from course_lib.checks.exercises import EXERCISES
from course_lib.notebooks.build import read_source

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
SECONDS = 20  # a mutant whose loop has no end is caught

COMPARE = {
    ast.Lt: [ast.LtE, ast.Gt], ast.LtE: [ast.Lt, ast.GtE], ast.Gt: [ast.GtE, ast.Lt],
    ast.GtE: [ast.Gt, ast.LtE], ast.Eq: [ast.NotEq], ast.NotEq: [ast.Eq], ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is], ast.In: [ast.NotIn], ast.NotIn: [ast.In],
}  # fmt: skip
ARITHMETIC = {
    ast.Add: [ast.Sub], ast.Sub: [ast.Add], ast.Mult: [ast.Div], ast.Div: [ast.Mult],
    ast.FloorDiv: [ast.Div], ast.Mod: [ast.FloorDiv], ast.Pow: [ast.Mult],
    ast.BitAnd: [ast.BitOr], ast.BitOr: [ast.BitAnd],
}  # fmt: skip
OTHER_NAME = {
    "sum": "mean", "mean": "sum", "min": "max", "max": "min", "argmax": "argmin", "std": "var",
    "argmin": "argmax", "any": "all", "all": "any", "zeros": "ones", "ones": "zeros",
    "eval": "train", "train": "eval", "ceil": "floor", "floor": "ceil", "var": "std",
}  # fmt: skip


@cache
def reference(exercise: str) -> tuple[str, str]:
    """Return the notebook's imports and the cell with the reference solution, as source code."""
    notebook = read_source(NOTEBOOKS / f"{EXERCISES[exercise].module}.py")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    imports = [
        ast.unparse(node)
        for cell in code
        for node in ast.walk(ast.parse(_python(cell.source)))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    solution = next(cell.source for cell in code if cell.id == exercise)
    return "\n".join(dict.fromkeys(imports)), solution


def mutants(exercise: str) -> dict[str, str]:
    """Return the source of every mutant of an exercise's reference, by name."""
    _, source = reference(exercise)
    first, last = _solution_lines(source)
    tree = ast.parse(source)
    found: dict[str, str] = {}
    statements = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and first <= node.lineno <= last
    ]
    for place, statement in enumerate(statements):
        before = _head(statement)
        for mutate in _mutations(statement):
            changed = copy.deepcopy(tree)
            twin = [
                node
                for node in ast.walk(changed)
                if isinstance(node, ast.stmt) and first <= node.lineno <= last
            ][place]
            mutate(twin)
            after = "(dropped)" if getattr(twin, "dropped", False) else _head(twin)
            ast.fix_missing_locations(changed)
            text = ast.unparse(changed)
            name = f"{before}  →  {after}"
            if text != ast.unparse(tree) and text not in found.values():
                while name in found:
                    name += " (again)"
                found[name] = text
    return found


def defined(exercise: str, source: str | None = None) -> dict:
    """Return the namespace in which an answer's source, or the reference, has run."""
    imports, solution = reference(exercise)
    namespace: dict = {"__name__": "__main__"}
    code = f"{imports}\n{solution if source is None else source}"
    exec(compile(code, f"{exercise}.py", "exec"), namespace)
    return namespace


def verdict(exercise: str, source: str, seed: int, hard: bool) -> tuple[str, str]:
    """Judge the source of an answer; a mutant that cannot be defined or never ends has raised."""
    try:
        with _limited(), warnings.catch_warnings(action="ignore"):
            channel = run.in_process(defined(exercise, source))
            found = run.judge(exercise, channel, seed=seed, hard=hard)
    except (Exception, SystemExit, _TooLong) as error:
        return "raised", type(error).__name__
    return found.outcome, found.key


def survived(exercise: str, source: str, seeds: Iterator[int], hard: bool) -> bool:
    """Tell whether any of these seeds lets the mutant pass."""
    return any(verdict(exercise, source, seed, hard)[0] == "correct" for seed in seeds)


class _TooLong(BaseException):
    pass


@contextmanager
def _limited() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _python(source: str) -> str:
    return re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.M)  # a notebook's magics


def _solution_lines(source: str) -> tuple[int, int]:
    lines = source.splitlines()
    marks = [number for number, line in enumerate(lines, 1) if "### " in line]
    return marks[0], marks[-1]


def _head(statement: ast.stmt) -> str:
    """The statement's own first line, without the block below it."""
    return re.sub(r"\s+", " ", ast.unparse(statement).splitlines()[0])


Mutation = Callable[[ast.stmt], None]


def _mutations(statement: ast.stmt) -> Iterator[Mutation]:
    """Yield functions that change one place of a copy of the statement, not of its block."""
    yield from _of_statement(statement)
    for place, node in enumerate(_own(statement)):
        for change in _of_expression(node):

            def mutate(twin: ast.stmt, place: int = place, change: Callable = change) -> None:
                change(_own(twin)[place])

            yield mutate


def _own(statement: ast.stmt) -> list[ast.expr]:
    """All expressions of a statement that do not belong to the statements inside it."""
    inside: list[ast.expr] = []
    waiting = list(ast.iter_child_nodes(statement))
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.stmt | ast.ExceptHandler) or _makes_an_error(node):
            continue  # what an error says is the learner's own
        if isinstance(node, ast.keyword) and node.arg == "strict":
            continue  # zip's own check of what is equally long
        if isinstance(node, ast.expr | ast.comprehension):
            inside.append(node)
        waiting.extend(ast.iter_child_nodes(node))
    return inside


def _become(node: ast.AST, other: ast.AST) -> None:
    """Turn a node into another one in place."""
    node.__class__ = other.__class__
    for field in list(vars(node)):
        delattr(node, field)
    vars(node).update(vars(other))


def _drop(statement: ast.stmt) -> None:
    _become(statement, ast.copy_location(ast.Pass(), statement))
    statement.dropped = True


def _of_statement(statement: ast.stmt) -> Iterator[Mutation]:
    match statement:
        case ast.Expr(value=ast.Constant()):
            return  # a docstring
        case ast.FunctionDef() | ast.ClassDef() | ast.Pass() | ast.Import() | ast.ImportFrom():
            return
        case ast.With():
            yield lambda twin: _become(
                twin, ast.copy_location(ast.If(ast.Constant(True), twin.body, []), twin)
            )
        case ast.If():
            yield _drop
            yield lambda twin: setattr(twin, "test", ast.Constant(True))
            if statement.orelse:
                yield lambda twin: setattr(twin, "test", ast.Constant(False))
        case ast.Return():
            return
        case ast.AugAssign() if type(statement.op) in ARITHMETIC:
            yield _drop
            for other in ARITHMETIC[type(statement.op)]:
                yield lambda twin, other=other: setattr(twin, "op", other())
        case _:
            yield _drop


def _of_expression(node: ast.AST) -> Iterator[Callable[[ast.AST], None]]:
    match node:
        case ast.Constant(value=bool(value)):
            yield lambda twin: setattr(twin, "value", not value)
        case ast.Constant(value=int(value)):
            yield lambda twin: setattr(twin, "value", value + 1)
            yield lambda twin: setattr(twin, "value", value - 1)
        case ast.Constant(value=float(value)):
            yield lambda twin: setattr(twin, "value", value * 2 if value else 1.0)
            yield lambda twin: setattr(twin, "value", value / 2 if value else -1.0)
        case ast.Compare():
            for place, op in enumerate(node.ops):
                for other in COMPARE[type(op)]:
                    yield lambda twin, place=place, other=other: twin.ops.__setitem__(
                        place, other()
                    )
        case ast.BoolOp():
            other = ast.Or if isinstance(node.op, ast.And) else ast.And
            yield lambda twin: setattr(twin, "op", other())
            for place in range(len(node.values)):
                yield (
                    lambda twin, place=place: (
                        twin.values.pop(place) if len(twin.values) > 2 else _keep_other(twin, place)
                    )
                )
        case ast.BinOp() if type(node.op) in ARITHMETIC:
            for other in ARITHMETIC[type(node.op)]:
                yield lambda twin, other=other: setattr(twin, "op", other())
        case ast.UnaryOp(op=ast.USub() | ast.Not() | ast.Invert()):
            yield lambda twin: _become(twin, twin.operand)
        case ast.IfExp():
            yield lambda twin: _become(twin, twin.body)
            yield lambda twin: _become(twin, twin.orelse)
        case ast.comprehension(ifs=[_, *_]):
            yield lambda twin: twin.ifs.clear()
        case ast.Slice():
            for end in ("lower", "upper"):
                if isinstance(getattr(node, end), ast.Name):
                    yield lambda twin, end=end: setattr(twin, end, _plus_one(getattr(twin, end)))
        case ast.Call():
            yield from _of_call(node)


def _keep_other(node: ast.BoolOp, place: int) -> None:
    _become(node, node.values[1 - place])


def _plus_one(node: ast.expr) -> ast.BinOp:
    return ast.BinOp(node, ast.Add(), ast.Constant(1))


def _of_call(call: ast.Call) -> Iterator[Callable[[ast.Call], None]]:
    symmetric = isinstance(call.func, ast.Name) and call.func.id in {"min", "max"}
    plain = [arg for arg in call.args if not isinstance(arg, ast.Starred)]
    for place in range(0 if symmetric else len(plain) - 1):
        yield lambda twin, place=place: twin.args.__setitem__(
            slice(place, place + 2), reversed(twin.args[place : place + 2])
        )
    for place, keyword in enumerate(call.keywords):
        if keyword.arg != "strict":
            yield lambda twin, place=place: twin.keywords.pop(place)
    if len(call.args) + len(call.keywords) > 1 and plain:
        yield lambda twin: twin.args.pop()
    if isinstance(call.func, ast.Attribute):
        if not _is_module(call.func.value):  # x.detach() becomes x
            yield lambda twin: _become(twin, twin.func.value)
        elif len(call.args) == 1:  # torch.exp(x) becomes x
            yield lambda twin: _become(twin, twin.args[0])
        if call.func.attr in OTHER_NAME:
            yield lambda twin: setattr(twin.func, "attr", OTHER_NAME[twin.func.attr])
    elif isinstance(call.func, ast.Name):
        if len(call.args) == 1 and not call.keywords:  # float(x) becomes x
            yield lambda twin: _become(twin, twin.args[0])
        if call.func.id in OTHER_NAME:
            yield lambda twin: setattr(twin.func, "id", OTHER_NAME[twin.func.id])


def _is_module(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in {"torch", "np", "math", "nn", "F", "copy"}


def _makes_an_error(node: ast.AST) -> bool:
    is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    return is_call and node.func.id.endswith("Error")
