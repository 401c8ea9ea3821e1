"""Progress on work that takes more than a moment: a bar for a person who looks on, nothing for a script.

A bar goes to standard error when that is a terminal, and into the cell of an interactive notebook. papermill, pipes and
`--json` see nothing. In a cell where `live` shows Spark's jobs it draws these bars too, so that the two never mix.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

drawn_elsewhere = False  # `live` sets this while it draws the bars of a cell

_asked_to_be_quiet = False


class _Bar(tqdm):
    """A bar that leaves the drawing to `live` where that is at work."""

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        """Draw, and say whether something was drawn."""
        return not drawn_elsewhere and super().display(msg, pos)


def be_quiet() -> None:
    """Show no bars in this process, for scripts that read what it prints."""
    global _asked_to_be_quiet  # noqa: PLW0603 (one switch for the process)
    _asked_to_be_quiet = True


def bar(items: Iterable, total: int, doing: str, unit: str) -> Iterator:
    """Pass items on and count them: "decoding:  40%|####      | 320/800 [00:01<00:02, 210.3image/s]"."""
    return iter(_Bar(items, total=total, desc=doing, unit=unit, disable=not wanted(), leave=False))


@contextmanager
def steps(total: int, doing: str, unit: str) -> Iterator[Callable[[str], None]]:
    """A bar for work that is not a loop of ours: call what it yields after each step, with a word on how it stands."""
    with _Bar(total=total, desc=doing, unit=unit, disable=not wanted(), leave=False) as shown:

        def advance(note: str = "") -> None:
            shown.set_postfix_str(note, refresh=False)
            shown.update()

        yield advance


def open_bars() -> list[tuple[str, str, float, float, str]]:
    """The bars that are open now: what is done, the last word on it, how many are done, of how many, and their unit."""
    with _Bar.get_lock():
        bars = [bar for bar in _Bar._instances if isinstance(bar, _Bar) and hasattr(bar, "start_t")]
    bars.sort(key=lambda bar: bar.start_t)
    return [(bar.desc.removesuffix(": "), bar.postfix or "", bar.n, bar.total, bar.unit) for bar in bars]


def wanted() -> bool:
    """Whether somebody looks on: a terminal, or a notebook that is open in a browser."""
    # Jupyter's server names the open notebook to its kernel; papermill and nbconvert start kernels without it.
    return not _asked_to_be_quiet and (sys.stderr.isatty() or "JPY_SESSION_NAME" in os.environ)
