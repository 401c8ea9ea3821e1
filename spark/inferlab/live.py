"""Live progress of Spark's jobs in the cell that runs them, for a person who has the notebook open in a browser.

A thread looks at Spark once a second while a cell runs, from half a second on, so that a quick cell stays as it is; a line
stays when the cell ends. For papermill, nbconvert, scripts and terminals there is nothing: no thread, no event. It must
never disturb the cell: whatever goes wrong here ends the display and nothing else. What is said stands in `panel`.
"""

import contextvars
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from pyspark.sql import SparkSession

from inferlab import panel, progress
from inferlab.sparkjobs import Snapshot, Watch

WORTH = 0.5  # seconds of work from which on it is shown, and leaves a line
PERIOD = 1.0  # seconds between two looks, which is how often executors tell; a look takes 6 ms of one core
PATIENCE = 5.0  # seconds that a cell's end waits for the last look at most
FORGIVEN = 3  # looks that may fail in a row: one may come while Spark is writing

_attached: "_Attached | None" = None


def attach(spark: SparkSession, waiting: Callable[[], str] | None = None) -> bool:
    """From now on, also in the cell that runs now, show what this session does. Returns whether anybody looks on.

    waiting: says who holds the cores, or why there are none; asked from another thread, once a second, while a job
        waits and no executor has come
    """
    global _attached  # noqa: PLW0603 (one notebook has one Spark)
    shell = _notebook()
    if shell is None:
        return False
    if _attached is None:
        _attached = _Attached()
        shell.events.register("pre_run_cell", _attached.begin)
        shell.events.register("post_run_cell", _attached.end)
    _attached.spark, _attached.waiting = spark, waiting
    _attached.begin()
    return True


def _notebook() -> Any | None:
    """The shell of the notebook that a person has open, else None."""
    if not progress.wanted() or "IPython" not in sys.modules:
        return None
    shell = sys.modules["IPython"].get_ipython()
    return shell if hasattr(shell, "kernel") else None


class _Attached:
    """Follows the cells of this notebook, one at a time."""

    spark: SparkSession | None = None
    waiting: Callable[[], str] | None = None
    cell: "_Cell | None" = None

    def begin(self, info: object = None) -> None:
        self.end()
        self.cell = _Cell(self.spark, self.waiting)

    def end(self, result: Any = None) -> None:
        if self.cell is not None:
            cell, self.cell = self.cell, None
            cell.end(interrupted=isinstance(getattr(result, "error_in_exec", None), KeyboardInterrupt))


class _Cell:
    """Shows one cell's jobs from a thread of its own, until the cell ends."""

    def __init__(self, spark: SparkSession, waiting: Callable[[], str] | None):
        self._spark, self._waiting, self._began = spark, waiting, time.time()
        self._ended = threading.Event()
        self._stopped = "failed"
        self._history: list[tuple[float, int]] = []
        self._handle: Any = None
        self._sent: dict[str, str] = {}
        # The kernel knows by its context which cell an output belongs to.
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._follow,), name="inferlab-live", daemon=True)
        progress.drawn_elsewhere = True
        self._thread.start()

    def end(self, interrupted: bool) -> None:
        """Have the line drawn that stays."""
        self._stopped = "stopped" if interrupted else "failed"
        self._ended.set()
        self._thread.join(PATIENCE)

    def _follow(self) -> None:
        try:
            if not self._ended.wait(WORTH):
                self._finish(*self._watch())
        except Exception:
            pass  # the cell must not notice; Spark may have been stopped under the display
        finally:
            progress.drawn_elsewhere = False

    def _watch(self) -> tuple[Snapshot | None, bool]:
        """Draw until the cell ends, or Spark. Returns the last snapshot, and whether it was taken after the cell's end."""
        snapshot, failures = None, 0
        watch = Watch(self._spark, self._began)
        while True:
            ended = self._ended.is_set()
            try:
                snapshot, failures = watch.look(last=ended), 0
            except Exception:
                failures += 1
            else:
                self._draw(snapshot)
            if ended or failures == FORGIVEN:
                return snapshot, ended and not failures
            self._ended.wait(PERIOD)

    def _draw(self, snapshot: Snapshot) -> None:
        if self._history and snapshot.rows < self._history[-1][1]:
            self._history.clear()  # a first Python step has come: from now on its rows count, and no longer what is read
        self._history.append((snapshot.time, snapshot.rows))
        bars = progress.open_bars()
        if self._ended.is_set() or not (self._handle or bars or snapshot.seconds >= WORTH):
            return
        idle = any(job.waiting for job in snapshot.jobs) and not snapshot.cores
        why = self._waiting() if idle and self._waiting else ""
        shown = [panel.bar(*known) for known in bars] + panel.lines(snapshot)
        head = panel.heading(snapshot, panel.pace(self._history))
        self._send(panel.draw(head, shown, why, sum(job.done for job in snapshot.jobs), snapshot.rows))

    def _finish(self, snapshot: Snapshot | None, complete: bool) -> None:
        if snapshot is not None and snapshot.seconds >= WORTH:
            unended = "still running" if complete else "running when Spark stopped"
            # An interrupt cancels jobs, but Spark may write that down later.
            said = panel.finished(snapshot, self._stopped, "stopped" if self._stopped == "stopped" else unended)
            self._send(panel.draw_finished(said, any(job.status == "FAILED" for job in snapshot.jobs)))
        elif self._handle:  # there were bars, and no jobs to speak of
            self._send(panel.NOTHING)

    def _send(self, drawn: dict[str, str]) -> None:
        if drawn == self._sent:
            return
        self._sent = drawn
        if self._handle is None:
            from IPython.display import DisplayHandle  # in the `lab` extra only, and here for certain

            self._handle = DisplayHandle()
            self._handle.display(drawn, raw=True)
        else:
            self._handle.update(drawn, raw=True)
