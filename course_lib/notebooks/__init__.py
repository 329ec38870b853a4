"""A notebook's way: one text source, the instructor's and the student's version, a learner's copy.

`build` makes the first two, `rebuild` puts a learner's answers into a (newer) release, `work` keeps
the learner's copies up to date with it, and `run` executes a notebook while the judges ask their
questions from outside its kernel.
"""
