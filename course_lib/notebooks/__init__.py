"""A notebook's way: one text source, the instructor's and the student's version, a learner's copy.

`build` makes the first two, `rebuild` puts a learner's answers into a (newer) release, `work` keeps
the learner's copies up to date with it, and `run` executes a notebook while the judges ask their
questions from outside its kernel.
"""

import sys

# nbformat imports jsonschema, and that a second's worth of grammar for a kind of address which no
# notebook's schema has.
_unwanted = "rfc3987_syntax"
if _unwanted not in sys.modules:
    sys.modules[_unwanted] = None  # what is None cannot be imported; jsonschema does without
    import nbformat  # noqa: F401

    del sys.modules[_unwanted]
