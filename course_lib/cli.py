"""The ``course`` command: thin commands over the library. No logic lives here."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from course_lib.errors import CourseError

app = typer.Typer(
    help="Work through, check, build and grade the transfer learning course.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
data = typer.Typer(
    help="The optional downloads: photographs and ImageNet weights.", no_args_is_help=True
)
app.add_typer(data, name="data")

Engine = Literal["docker", "podman"]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for a program to read.")]
Course = Annotated[
    Path | None,
    typer.Option(help="The course folder (with nbgrader_config.py); found if not given."),
]


@app.command()
def lab(
    browser: Annotated[bool, typer.Option(help="Open a browser window.")] = True,
    port: Annotated[
        int | None, typer.Option(help="Port of the server, for remote machines.")
    ] = None,
    course: Course = None,
) -> None:
    """Open JupyterLab on your own copy of the first notebook.

    Your copies are in notebooks/work. When the course is updated, they are brought up to date and
    your answers stay.
    """
    from course_lib.notebooks.build import course_root
    from course_lib.notebooks.work import prepare

    root = course_root(course)
    paths, notes = prepare(root)
    for note in notes:
        typer.echo(note)
    first = paths[0].relative_to(root.parent).as_posix()
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={root.parent}"]
    command += [f"--LabApp.default_url=/lab/tree/{first}"]
    command += [] if browser else ["--no-browser"]
    command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"] if port else []
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # as in many containers
        command.append("--allow-root")
    # Settings that ask no question about news, and fetch none.
    settings = [str(Path(__file__).with_name("notebooks") / "jupyter")]
    settings += filter(None, [os.environ.get("JUPYTER_CONFIG_PATH")])
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(settings)
    os.chdir(root)
    if os.name == "posix":  # become JupyterLab: Ctrl-C is its own to answer
        os.execv(command[0], command)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise typer.Exit(subprocess.call(command))


@app.command()
def exercises(as_json: AsJson = False) -> None:
    """List the graded exercises: module, id, points, minutes, signature."""
    from course_lib.checks.exercises import EXERCISES

    rows = [
        {
            "module": row.module,
            "exercise": row.id,
            "points": row.points,
            "minutes": row.minutes,
            "difficulty": row.difficulty,
            "signature": row.signature,
        }
        for row in EXERCISES.values()
    ]
    _print(rows, as_json)


@app.command()
def check(
    what: Annotated[str, typer.Argument(help="A notebook, or the id of an exercise.")],
    answer: Annotated[
        Path | None, typer.Argument(help="For an exercise: a .py file with it.")
    ] = None,
    as_json: AsJson = False,
    course: Course = None,
) -> None:
    """Check a notebook, or one exercise in a plain Python file; exits with 1 if something is open.

    course check my_notebook.ipynb

    course check freeze answer.py
    """
    from course_lib.checks.progress import note

    if answer and answer.suffix == ".ipynb":
        raise CourseError(f"{answer} is a notebook: check all of it with `course check {answer}`.")
    verdicts = _check_file(what, answer) if answer else _check_notebook(Path(what), course)
    try:
        for verdict in verdicts:
            note(verdict)
    except CourseError as problem:
        typer.echo(f"Your progress was not stored. {problem}", err=True)
    if as_json:
        typer.echo(json.dumps([verdict.as_dict() for verdict in verdicts], indent=1))
    else:
        for verdict in verdicts:
            typer.echo(verdict.as_text())
    raise typer.Exit(not all(verdict.correct for verdict in verdicts))


@app.command()
def progress(as_json: AsJson = False) -> None:
    """Show what you have solved so far."""
    from course_lib.checks.progress import table

    rows = table()
    _print(rows, as_json)
    if not as_json:
        points = sum(row["points"] for row in rows if row["solved"])
        typer.echo(f"\n{points} of {sum(row['points'] for row in rows)} points by your own checks.")


@app.command()
def report(
    name: Annotated[str, typer.Option(help="Your name, if it shall stand on the page.")] = "",
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    of_class: Annotated[
        bool, typer.Option("--class", help="For instructors: a page about all that was graded.")
    ] = False,
    course: Course = None,
) -> None:
    """Write your last page: claims, predictions, your study and report, in one file to share.

    It is written anew from what you have measured, whenever you ask. With --class, an instructor
    gets the marks, misconceptions and similar submissions of a class, as a page and as CSV files.
    """
    from course_lib.evidence.report import write
    from course_lib.notebooks.build import course_root
    from course_lib.notebooks.written import written_answer

    if of_class:
        from course_lib.grading.report import write_class_report

        path = write_class_report(course_root(course))
    else:
        path = write(written_answer(course_root(course), "report"), name)
    typer.echo(path)
    if browser:
        typer.launch(path.as_uri())


@app.command()
def build(
    modules: Annotated[
        list[str] | None, typer.Argument(help="Such as 01_feature_extraction.")
    ] = None,
    course: Course = None,
) -> None:
    """Make the instructor's and the student's notebooks from their text, through nbgrader."""
    from course_lib.grading.grade import build as build_module
    from course_lib.notebooks.build import course_root
    from course_lib.notebooks.build import modules as all_modules

    root = course_root(course)
    for module in modules or all_modules(root):
        build_module(root, module)
        typer.echo(f"{module}: source/{module} (instructor), release/{module} (student)")


@app.command()
def grade(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Notebooks, or folders of them; without any, the table alone."),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Where the table goes (default grades.csv).")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(help="How many at a time (default: as many as cores).", min=1)
    ] = None,
    unsafe_no_sandbox: Annotated[
        bool,
        typer.Option("--unsafe-no-sandbox", help="Run submissions with your rights, unprotected."),
    ] = False,
    container: Annotated[
        Engine | None, typer.Option(help="Grade in a container, where there is no bubblewrap.")
    ] = None,
    as_json: AsJson = False,
    course: Course = None,
) -> None:
    """Grade submissions: nbgrader's gradebook, a table, a CSV file, a feedback page for each.

    Exits with 1 if a submission could not be graded; all others still are. The table has every
    module graded so far, and marks given by hand.
    """
    from course_lib.grading.collect import collect
    from course_lib.grading.grade import grade as grade_class
    from course_lib.grading.grade import write_grades
    from course_lib.notebooks.build import course_root
    from course_lib.notebooks.build import modules as all_modules

    root = course_root(course)
    if container and paths:
        from course_lib.grading.container import grade_in_container

        if csv or unsafe_no_sandbox:
            raise CourseError(
                "--container goes with neither --csv nor --unsafe-no-sandbox. For a table "
                "elsewhere run `course grade --csv TABLE` afterwards, without paths."
            )
        options = ["--jobs", str(jobs)] if jobs else []
        options += ["--json"] if as_json else []
        raise typer.Exit(grade_in_container(container, root, paths, options))
    rows = []
    if paths:
        found = collect(paths, all_modules(root))
        rows = grade_class(root, found, jobs=jobs, sandboxed=not unsafe_no_sandbox)
    table = write_grades(root, rows, csv)
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
    else:
        if rows:
            _print([_grade_line(row) for row in rows], False)
        typer.echo(
            f"\nGrades: {table}\nFeedback: {root / 'feedback'}/<student>/<module>/<module>.html\n"
            "The class: course report --class"
        )
    raise typer.Exit(any(row["score"] is None for row in rows))


@data.command("list")
def data_list(as_json: AsJson = False) -> None:
    """List every dataset: what it is, its size and licence, whether it is here."""
    from course_lib.data.catalogue import listing

    _print(listing(), as_json)


@data.command("fetch")
def data_fetch(
    names: Annotated[list[str] | None, typer.Argument(help="All if not given.")] = None,
) -> None:
    """Download photographs, weights and other data sets; `course data list` names them."""
    from course_lib.data.files import SOURCES, fetch

    for name in names or SOURCES:
        if name not in SOURCES:
            raise CourseError(f"There is no download {name!r}; there are {', '.join(SOURCES)}.")
        typer.echo(f"{name}: {fetch(name)}")


@data.command("verify")
def data_verify(
    names: Annotated[list[str] | None, typer.Argument(help="All if not given.")] = None,
) -> None:
    """Read datasets in full and say what was found; exits with 1 if one is missing or damaged."""
    from course_lib.data.catalogue import listing, verify

    known = [row["name"] for row in listing()]
    if unknown := set(names or []) - set(known):
        raise CourseError(
            f"There is no dataset {', '.join(unknown)}; there are {', '.join(known)}."
        )
    failed = False
    for name in names or known:
        try:
            typer.echo(f"{name}: {verify(name)}")
        except CourseError as problem:
            failed = True
            typer.echo(f"{name}: {problem}")
    raise typer.Exit(failed)


def _check_file(exercise: str, path: Path) -> list:
    from course_lib.checks.exercises import EXERCISES
    from course_lib.checks.run import in_process, judge

    if exercise not in EXERCISES or EXERCISES[exercise].solution is None:
        raise CourseError(f"There is no exercise {exercise!r} to check: see `course exercises`.")
    try:
        source = path.read_text(encoding="utf-8")
        namespace = {"__name__": path.stem, "__file__": str(path)}
        exec(compile(source, str(path), "exec"), namespace)
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}.") from error
    except SyntaxError as error:
        raise CourseError(f"{path}, line {error.lineno}: {error.msg}.") from error
    except UnicodeDecodeError as error:
        raise CourseError(f"{path} is not a Python file in UTF-8.") from error
    except (Exception, SystemExit) as error:
        raise CourseError(f"{path} stopped with {type(error).__name__}: {error}") from error
    return [judge(exercise, in_process(namespace))]


def _check_notebook(path: Path, course: Path | None) -> list:
    from course_lib.notebooks.build import course_root
    from course_lib.notebooks.rebuild import read_notebook, rebuild
    from course_lib.notebooks.run import run

    notebook = read_notebook(path)
    about = notebook.metadata.get("course")
    module = str(about.get("module")) if isinstance(about, dict) else path.stem
    release = course_root(course) / "release" / module / f"{module}.ipynb"
    if not release.is_file():
        raise CourseError(f"{path.name} is no notebook of this course, or {release} is missing.")
    rebuilt, notes = rebuild(read_notebook(release), notebook)
    for note in notes:
        typer.echo(note, err=True)
    return run(rebuilt, progress=module)


def _grade_line(row: dict) -> dict:
    marks = {name: "?" if mark is None else f"{mark:g}" for name, mark in row["exercises"].items()}
    return {
        "student": row["student"],
        "module": row["module"],
        "points": "" if row["score"] is None else f"{row['score']:g} of {row['max_score']:g}",
        "exercises": "  ".join(f"{name} {mark}" for name, mark in marks.items()),
        "status": row["status"]
        + (", one answer to mark by hand" if row["needs_manual_grade"] else ""),
    }


def _print(rows: list[dict], as_json: bool) -> None:
    from course_lib.evidence.notes import Table

    typer.echo(json.dumps(rows, indent=1) if as_json else repr(Table(rows)))


def main() -> None:
    """Run a command; what a person can mend is one sentence and exit code 1, never a traceback."""
    try:
        app()
    except CourseError as problem:
        typer.echo(f"course: {problem}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
