"""What is measured, one file for each module of the course; `measure_claims.py` runs them.

A file has

- ``choose(quick) -> dict``: the settings, chosen on other data than the reported (``chosen_on``
  says which, in words); with ``quick`` budgets so small that it only shows that everything runs;
- ``CLAIMS``: name -> function of (seed, settings) that gives one value per key; shares in [0, 1];
- and where it needs them ``SEEDS`` (claim -> how many, 10 by default), ``PAIRS`` (key -> the two
  keys whose paired difference it is, in points), ``SPREADS`` (keys whose standard deviation over
  the seeds is named, too, as ``KEY.sd``) and ``UNITS`` (beginning of a key -> "times",
  "epochs", "points" or "number"; "%" by default).
"""
