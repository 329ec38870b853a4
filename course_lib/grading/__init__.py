"""From submissions to points: nbgrader's workflow with the course's own two steps in it.

`steps` holds the preprocessors that nbgrader_config.py puts into ``nbgrader autograde``: rebuild,
then run and judge. `collect` finds submissions, `grade` takes a class through nbgrader, `gradebook`
prepares it for a changed release, `handed_in` guards what nbgrader reads by itself, `shown` what
pages show of a learner's notebook, `seeds` derives each submission's hidden inputs.
"""
