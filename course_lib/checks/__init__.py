"""An exercise's two sides, and what lies between them.

::

    learner's side                            judge's side
    answer   finds the function, runs ...     run       asks the judge for a verdict
    probes/  ... the probe: calls the         judges/   know the truth, draw fresh random inputs,
             function, returns plain data               never touch an object of the learner's
                        wire   the plain-data codec that joins them

In a notebook both sides run in one process. When untrusted work is graded they do not: the
learner's side then has no judges to import. `exercises` is the table of all exercises, `messages/`
holds every sentence a learner reads, one file per module.
"""
