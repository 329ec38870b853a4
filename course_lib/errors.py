"""The one exception that is meant to be read by the person at the keyboard."""


class CourseError(Exception):
    """Something a person can mend: one clear sentence that says what to do.

    The command line prints the sentence and exits with 1; a notebook shows it without a traceback.
    """

    def _render_traceback_(self) -> list[str]:
        # IPython's own hook: in a notebook the sentence is all there is to see.
        return [f"{type(self).__name__}: {self}"]
