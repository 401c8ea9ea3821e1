"""The one error that a person is meant to read."""


class Problem(Exception):
    """A request that cannot be served: what is wrong, and what to do.

    what: one sentence that names the value at fault
    cure: one sentence that says what to type or change
    """

    def __init__(self, what: str, cure: str):
        super().__init__(what, cure)
        self.what = what
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.what} {self.cure}"


def first_line(error: BaseException) -> str:
    """What an error of a library says, short enough for a sentence: its first line, or its type when it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
