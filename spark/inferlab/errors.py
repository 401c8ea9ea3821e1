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
