"""The last page: what one learner predicted, measured and concluded, in one file to share.

The page is plain HTML with pictures drawn in it: no script, no link to elsewhere, nothing that the
learner did not measure or type. It is read on a phone as well as on paper, light or dark.
"""

from html import escape
from pathlib import Path
from string import Template

from course_lib.evidence import claims, ledger
from course_lib.evidence.study import studies
from course_lib.home import folder, write_atomically

MARKS = {
    "supported": "✓", "contradicted": "✗", "undecided": "?", "not tested yet": "○",
    "helps": "✓", "hurts": "✗",
}  # fmt: skip


def write(written: str = "", name: str = "") -> Path:
    """Write the page into the course folder and return its path.

    Parameters
    ----------
    written
        The capstone's written report; an empty line separates paragraphs.
    name
        Whose page it is; nothing is said of it unless it is given.

    Raises
    ------
    CourseError
        If the page, or what was kept for it, cannot be written or read.
    """
    path = folder("report") / "fact_check.html"
    write_atomically(path, page(written, name).encode())
    return path


def page(written: str = "", name: str = "") -> str:
    """Return the page as HTML."""
    template = Template(Path(__file__).with_name("report.html").read_text(encoding="utf-8"))
    return template.substitute(
        by=f"<p>By {escape(name.strip())}</p>" if name.strip() else "",
        tally=_tally(),
        claims="".join(map(_claim, claims.rows())),
        predictions=_predictions(),
        studies="".join(map(_study, studies())) or "<p>No study has been planned yet.</p>",
        written="".join(
            f"<p>{escape(paragraph)}</p>"
            for paragraph in written.split("\n\n")
            if paragraph.strip()
        )
        or "<p>No report has been written yet.</p>",
    )


# --- The claims ----------------------------------------------------------------------------------


def _tally() -> str:
    verdicts = [row["verdict"] for row in claims.rows()]
    tested = [verdict for verdict in verdicts if verdict != "not tested yet"]
    counts = ", ".join(
        f"{tested.count(verdict)} {verdict}"
        for verdict in ("supported", "contradicted", "undecided")
        if verdict in tested
    )
    return f"{len(tested)} of {len(verdicts)} claims tested" + (f": {counts}." if counts else ".")


def _claim(row: dict) -> str:
    effect = ""
    if row["mean"] is not None:
        reach = max(abs(row["low"]), abs(row["high"]), 1e-12)
        text = escape(row["effect"])
        strip = _strip(
            (-reach, reach), measured=row, zero=True, says=f"Effect {text}; 0 is in the middle."
        )
        effect = f"<p><b>{text}</b></p>{strip}<p>{escape(row['note'])}</p>"
    return (
        f"<article>{_badge(row['verdict'])}<p>{escape(row['claim'])}</p>{effect}"
        f"<p><small>module {escape(row['module'])}</small></p></article>"
    )


def _badge(verdict: str) -> str:
    kind = {"helps": "supported", "hurts": "contradicted"}.get(verdict, verdict).split()[0]
    return f'<p class="badge {kind}">{MARKS.get(verdict, "")} {escape(verdict)}</p>'


# --- The prediction ledger -----------------------------------------------------------------------


def _predictions() -> str:
    rows = [row for row in ledger.rows() if None not in (row["predicted"], row["measured"])]
    if not rows:
        return "<p>No prediction has been written and measured yet.</p>"
    for number, row in enumerate(rows, start=1):
        row["number"] = number
        if None in (row["low"], row["high"]):
            row["low"] = row["high"] = row["measured"]
        row["mean"] = row["measured"]
    shares = [row for row in rows if max(abs(row["predicted"]), abs(row["mean"])) <= 1]
    lists = "".join(
        _of_one_unit(unit, [row for row in rows if row["unit"] == unit])
        for unit in dict.fromkeys(row["unit"] for row in rows)
    )
    return (_scatter(shares) if len(shares) > 1 else "") + lists


def _of_one_unit(unit: str, rows: list[dict]) -> str:
    ends = [row[key] for row in rows for key in ("predicted", "low", "high")]
    span = (0.0, 1.0) if min(ends) >= 0 and max(ends) <= 1 else (min(0.0, *ends), max(ends))
    items = []
    for row in rows:
        text = _beside(row["predicted"], row)
        items.append(
            f'<li value="{row["number"]}">{escape(row["key"])}: {text}'
            f"{_strip(span, measured=row, predicted=row['predicted'], says=text)}</li>"
        )
    return f"<h3>{escape(unit)}, from {span[0]:.3g} to {span[1]:.3g}</h3><ol>{''.join(items)}</ol>"


def _beside(predicted: float, row: dict) -> str:
    width = "" if row["low"] == row["high"] else f" [{row['low']:.3g}, {row['high']:.3g}]"
    return f"predicted {predicted:.3g}, measured {row['mean']:.3g}{width}"


def _scatter(rows: list[dict]) -> str:
    """Predicted (across) against measured (up), both from the same low end to 1."""
    low = min(0.0, *(row[key] for row in rows for key in ("predicted", "low")))

    def across(value: float) -> float:
        return 8 + 88 * (value - low) / (1 - low)

    def up(value: float) -> float:
        return 104 - across(value)

    points = []
    for row in rows:
        x, y = across(row["predicted"]), up(row["mean"])
        points.append(
            f'<line x1="{x:.2f}" y1="{up(row["low"]):.2f}" x2="{x:.2f}" y2="{up(row["high"]):.2f}"'
            f' class="bar"/><circle cx="{x:.2f}" cy="{y:.2f}" r="1.4" class="dot"/>'
            f'<text x="{x + 2:.2f}" y="{y - 1.5:.2f}">{row["number"]}</text>'
        )
    errors = sorted(abs(row["predicted"] - row["mean"]) for row in rows)
    above = sum(row["predicted"] > row["mean"] for row in rows)
    says = (
        f"{len(rows)} predictions of shares and differences: half of them within "
        f"{errors[(len(errors) - 1) // 2]:.2g} of what was measured, {above} of them too high."
    )
    return (
        f'<figure><svg viewBox="0 0 104 110" role="img" aria-label="{escape(says)}">'
        f'<path d="M8 96V8M8 96H96" class="axis"/>'
        f'<line x1="8" y1="96" x2="96" y2="8" class="dash"/>{"".join(points)}'
        f'<text x="8" y="102">{low:.2g}</text><text x="94" y="102">1</text>'
        f'<text x="40" y="102">predicted</text>'
        f'<text x="5" y="62" transform="rotate(-90 5 62)">measured</text></svg>'
        f"<figcaption>{escape(says)} On the dashed line prediction and measurement agree. "
        "The numbers are those of the list.</figcaption></figure>"
    )


# --- The studies ---------------------------------------------------------------------------------


def _study(entry: dict) -> str:
    planned, result = entry["prediction"], entry.get("result")
    head = (
        f"<h3>{escape(planned['situation'])}</h3><p>{escape(planned['method'])}</p>"
        "<p>Predicted before the study: {gain:+.3g} [{low:+.3g}, {high:+.3g}]</p>".format(**planned)
    )
    if result is None:
        return f"<article>{head}<p>Planned, and not run yet.</p></article>"
    text = "{mean:+.3g} [{low:+.3g}, {high:+.3g}]".format(**result)
    ends = [planned["low"], planned["high"], result["low"], result["high"]]
    strip = _strip(
        (min(0.0, *ends), max(0.0, *ends)), measured=result, predicted=planned["gain"],
        predicted_range=planned, zero=True,
        says=f"Predicted {planned['gain']:+.3g}, measured {text}.",
    )  # fmt: skip
    seeds = "; ".join(f"{a:.3f} and {b:.3f}" for a, b in zip(result["a"], result["b"], strict=True))
    return (
        f"<article>{_badge(result['verdict'])}{head}<p>Measured: <b>{text}</b>, "
        f"{len(result['a'])} seeds</p>{strip}"
        f"<p><small>Accuracies, seed by seed: {seeds}</small></p></article>"
    )


# --- Shared --------------------------------------------------------------------------------------


def _strip(
    span: tuple[float, float],
    *,
    measured: dict,
    says: str,
    predicted: float | None = None,
    predicted_range: dict | None = None,
    zero: bool = False,
) -> str:
    """Draw a line with a dot and its interval, and a diamond where it was predicted."""
    low, high = span

    def at(value: float) -> float:
        return 6 + 188 * (value - low) / (high - low or 1)

    parts = ['<line x1="2" y1="12" x2="198" y2="12" class="axis"/>']
    if zero:
        parts.append(f'<line x1="{at(0):.2f}" y1="2" x2="{at(0):.2f}" y2="22" class="dash"/>')
    if predicted_range:
        x, end = at(predicted_range["low"]), at(predicted_range["high"])
        parts.append(
            f'<rect x="{x:.2f}" y="8" width="{max(end - x, 0.5):.2f}" height="8" class="range"/>'
        )
    x, end = at(measured["low"]), at(measured["high"])
    parts.append(f'<line x1="{x:.2f}" y1="12" x2="{end:.2f}" y2="12" class="bar"/>')
    parts.append(f'<circle cx="{at(measured["mean"]):.2f}" cy="12" r="3.4" class="dot"/>')
    if predicted is not None:
        x = at(predicted)
        parts.append(f'<path d="M{x:.2f} 6.5l5 5.5-5 5.5-5-5.5z" class="diamond"/>')
    return (
        f'<svg viewBox="0 0 200 24" role="img" aria-label="{escape(says)}" class="strip">'
        f"{''.join(parts)}</svg>"
    )
