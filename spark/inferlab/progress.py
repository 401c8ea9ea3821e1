"""Progress on work that takes more than a moment: a bar for a person who looks on, nothing for a script.

A bar goes to standard error when that is a terminal, and into the cell of an interactive notebook. papermill, pipes and
`--json` see nothing.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

_asked_to_be_quiet = False


def be_quiet() -> None:
    """Show no bars in this process, for scripts that read what it prints."""
    global _asked_to_be_quiet  # noqa: PLW0603 (one switch for the process)
    _asked_to_be_quiet = True


def bar(items: Iterable, total: int, doing: str, unit: str) -> Iterator:
    """Pass items on and count them: "decoding:  40%|####      | 320/800 [00:01<00:02, 210.3image/s]"."""
    return iter(tqdm(items, total=total, desc=doing, unit=unit, disable=not wanted(), leave=False))


@contextmanager
def steps(total: int, doing: str, unit: str) -> Iterator[Callable[[str], None]]:
    """A bar for work that is not a loop of ours: call what it yields after each step, with a word on how it stands."""
    with tqdm(total=total, desc=doing, unit=unit, disable=not wanted(), leave=False) as shown:

        def advance(note: str = "") -> None:
            shown.set_postfix_str(note, refresh=False)
            shown.update()

        yield advance


def wanted() -> bool:
    """Whether somebody looks on: a terminal, or a notebook that is open in a browser."""
    # Jupyter's server names the open notebook to its kernel; papermill and nbconvert start kernels without it.
    return not _asked_to_be_quiet and (sys.stderr.isatty() or "JPY_SESSION_NAME" in os.environ)
