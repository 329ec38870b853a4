"""Every dataset and weight file of the course: what it is, whether it is there and sound."""

from typing import Any

from course_lib.data import files
from course_lib.errors import CourseError

EMBEDDED = {
    "glyphs": (
        "printed glyphs, rendered on this machine from the fonts in matplotlib",
        "DejaVu and STIX font licences (free)",
    ),
    "digits": ("1,797 handwritten digits, in scikit-learn", "CC BY 4.0 (UCI)"),
}


def listing() -> list[dict[str, Any]]:
    """Return one row per dataset: name, what, megabytes to download, licence, status, path.

    The status is ``"embedded"``, ``"present"`` or ``"missing"``.
    """
    rows = [
        {"name": n, "what": w, "megabytes": 0, "licence": li, "status": "embedded", "path": None}
        for n, (w, li) in EMBEDDED.items()
    ]
    for name, source in files.SOURCES.items():
        present = files.available(name)
        rows.append(
            {
                "name": name,
                "what": source.what,
                "megabytes": source.megabytes,
                "licence": source.licence,
                "status": "present" if present else "missing",
                "path": str(files.find(name)) if present else None,
            }
        )
    return rows


def verify(name: str) -> str:
    """Read a dataset or weight file in full and say what was found.

    Raises
    ------
    ValueError
        Unknown name.
    CourseError
        It is missing, damaged or incomplete.
    """
    if name == "glyphs":
        from course_lib.data import glyphs

        sets = {split: glyphs.load(split) for split in ("train", "val", "held_out")}
        return _counts(sets)
    if name == "digits":
        from course_lib.data import digits

        return _counts({split: digits.load(split) for split in ("pool", "test")})
    if name == "photos":
        from course_lib.data import photos

        sets = {split: photos.load(split, size=32) for split in ("train", "val")}
        if (counts := [len(s.labels) for s in sets.values()]) != [244, 153]:
            raise CourseError(
                f"{files.find('photos')} has {counts[0]} + {counts[1]} photographs instead of "
                "244 + 153: delete it and run `course data fetch photos`."
            )
        return _counts(sets)
    if name == "pneumonia":
        from course_lib.data import medical

        return _counts({split: medical.load(split) for split in medical.SPLITS})
    if name == "nuclei":
        from course_lib.data import nuclei

        sets = {split: nuclei.load(split, size=33) for split in nuclei.SPLITS}
        return ", ".join(f"{split}: {len(s.images)} images" for split, s in sets.items())
    if name == "omniglot_runs":
        from course_lib.data import omniglot

        return f"{len(omniglot.runs())} runs of 20 characters"
    if name.startswith("omniglot_") and name in files.SOURCES:
        from course_lib.data import omniglot

        split = name.removeprefix("omniglot_")
        return _counts({split: omniglot.load(split)})
    if name in files.SOURCES:
        from course_lib.data.imagenet import load_state

        return f"{len(load_state(name))} tensors that fit torchvision's {name}"
    raise ValueError(f"There is no dataset {name!r}: use {', '.join([*EMBEDDED, *files.SOURCES])}.")


def _counts(sets: dict[str, Any]) -> str:
    return ", ".join(
        f"{split}: {len(s.labels)} images of {len(s.labels.unique())} classes"
        for split, s in sets.items()
    )
