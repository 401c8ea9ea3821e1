"""How running jobs look in a notebook: HTML in the colours of JupyterLab's theme, and the same as plain text.

Pure functions: what to say about a snapshot, and how to draw it. This module reads no Spark and sends nothing anywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from inferlab.sparkjobs import Job, Snapshot

MOST = 5  # jobs drawn at once; a cell may run hundreds
WINDOW = 10.0  # seconds over which the pace is taken: Python gives rows back in batches, so a shorter one would jump

NOTHING = {"text/html": "", "text/plain": ""}

# Every colour has a value for notebooks outside JupyterLab, which have none of its variables.
_INK = "var(--jp-ui-font-color1, currentColor)"
_PALE = "var(--jp-ui-font-color2, gray)"
_TRACK = "var(--jp-layout-color3, #bdbdbd)"
_COLOURS = {
    "run": "var(--jp-brand-color1, #1976d2)",
    "wait": "var(--jp-warn-color1, #f57c00)",
    "fail": "var(--jp-error-color1, #d32f2f)",
    "done": "var(--jp-success-color1, #388e3c)",
}
_FRAME = (
    "font: var(--jp-ui-font-size1, 13px)/1.5 var(--jp-ui-font-family, sans-serif); font-variant-numeric: tabular-nums; "
    "margin: 4px 0; padding: 2px 0 2px 12px; max-width: 72em; color: " + _INK + "; border-left: 3px solid {colour}"
)
# Names and numbers have columns of one width, so that a bar stays where it is when they change.
_GRID = (
    "display: grid; grid-template-columns: minmax(8em, 22em) minmax(6em, 1fr) minmax(8em, 18em); "
    "column-gap: 16px; align-items: center"
)


@dataclass(frozen=True)
class Line:
    """A line with a bar: how much of `total` is done and is being done, and what stands before and after the bar."""

    name: str
    note: str
    done: int
    running: int
    total: int
    told: str
    mood: str = "run"


def lines(snapshot: Snapshot) -> list[Line]:
    """One line for each job that runs or has failed, those that run first."""
    chosen = snapshot.running + [job for job in reversed(snapshot.jobs) if job.status == "FAILED"]
    return [_line(job, snapshot.cores) for job in chosen[:MOST]]


def bar(name: str, note: str, done: float, total: float, unit: str) -> Line:
    """The line of a bar of `progress`, in the same words as those of jobs."""
    return Line(name, note, int(done), 0, int(total), f"{int(done):,} of {counted(int(total), unit)}")


def pace(history: Sequence[tuple[float, int]]) -> float:
    """Rows a second: over the last `WINDOW` seconds in which there were any.

    history: (seconds, rows) of each look, oldest first
    """
    if len(history) < 2:
        return 0.0
    recent = [look for look in history if look[0] >= history[-1][0] - WINDOW]
    (start, before), (end, after) = recent[0], recent[-1]
    if after == before:  # a batch takes longer than the window: the mean since the beginning says more than zero
        (start, before), (end, after) = history[0], history[-1]
    return (after - before) / (end - start) if end > start else 0.0


def heading(snapshot: Snapshot, speed: float) -> str:
    """The line above the others: "12 s, 3 jobs done, 3,200 rows, 524 rows/s"."""
    done = sum(job.status == "SUCCEEDED" for job in snapshot.jobs)
    hidden = len(snapshot.running) - MOST
    parts = [duration(snapshot.seconds) if snapshot.jobs else ""]
    parts.append(f"{counted(done, 'job')} done" if done else "")
    parts.append(f"{hidden} more running" if hidden > 0 else "")
    parts.append(counted(snapshot.rows, "row") if snapshot.rows else "")
    parts.append(rate(speed) if speed else "")
    return ", ".join(part for part in parts if part)


def finished(snapshot: Snapshot, stopped: str = "failed", unended: str = "still running") -> str:
    """What stays when a cell ends: "2 jobs, 16 tasks, 3,200 rows in 6.1 s (524 rows/s)".

    stopped, unended: what to call jobs that failed, and jobs that have not ended
    """
    words = [stopped] * sum(job.status == "FAILED" for job in snapshot.jobs) + [unended] * len(snapshot.running)
    said = [counted(len(snapshot.jobs), "job")]
    for word in dict.fromkeys(words):
        said.append(word if words.count(word) == len(snapshot.jobs) else f"{words.count(word)} {word}")
    done, tasks = (sum(getattr(job, count) for job in snapshot.jobs) for count in ("done", "tasks"))
    said.append(f"{done:,} of {counted(tasks, 'task')}" if words else counted(done, "task"))
    seconds = snapshot.seconds
    if not snapshot.rows:
        return f"{', '.join(said)} in {duration(seconds)}"
    said.append(counted(snapshot.rows, "row"))
    return f"{', '.join(said)} in {duration(seconds)} ({rate(snapshot.rows / max(seconds, 0.001))})"


def draw(head: str, shown: Sequence[Line], why: str, tasks: int, rows: int) -> dict[str, str]:
    """The panel while a cell runs, as MIME types.

    why: why nothing runs, or ""
    tasks, rows: so far; they are written on it for programs that look on
    """
    mood = "run" if not shown or any(line.mood == "run" for line in shown) else shown[0].mood
    bars = "".join(_draw_line(line) for line in shown)
    reason = f'<div style="color: {_COLOURS["wait"]}">{escape(why)}</div>' if why else ""
    html = (
        f'<div class="inferlab-live" role="group" aria-label="Spark progress" data-tasks="{tasks}" data-rows="{rows}" '
        f'style="{_FRAME.format(colour=_COLOURS[mood])}">'
        f'<div><b>Spark</b>&ensp;<span style="color: {_PALE}">{escape(head)}</span></div>'
        f'<div style="{_GRID}">{bars}</div>{reason}</div>'
    )
    text = [f"Spark: {head}", *(f"  {line.name} {line.note}: {line.told}" for line in shown), *([why] if why else [])]
    return {"text/html": html, "text/plain": "\n".join(text)}


def draw_finished(said: str, failed: bool) -> dict[str, str]:
    """The line that stays, as MIME types."""
    mood, sign = ("fail", "✕") if failed else ("done", "✓")
    html = (
        f'<div class="inferlab-done" role="status" style="{_FRAME.format(colour=_COLOURS[mood])}">'
        f'<span aria-hidden="true" style="color: {_COLOURS[mood]}">{sign}</span> <b>Spark</b>: {escape(said)}</div>'
    )
    return {"text/html": html, "text/plain": f"Spark: {said}"}


def counted(number: int, noun: str) -> str:
    """A number and its noun: "1 job", "3,200 rows"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(seconds: float) -> str:
    """Seconds for people: "0.7 s", "42 s", "3 min 05 s"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"


def rate(speed: float) -> str:
    """Rows a second for people: "0.4 rows/s", "524 rows/s"."""
    return f"{speed:,.0f} rows/s" if speed >= 10 else f"{speed:.1f} rows/s"


def _line(job: Job, cores: int) -> Line:
    told = f"{job.done:,} of {counted(job.tasks, 'task')}"
    if job.status == "FAILED":
        return Line(job.name, job.detail, job.done, 0, job.tasks, f"failed, {told}", "fail")
    if job.waiting:
        told += ", waiting for a free core" if cores else ", waiting for cores"
        return Line(job.name, job.detail, job.done, 0, job.tasks, told, "wait")
    told += f", {job.running} running" if job.running else ""
    told += f", {job.failed} failed" if job.failed else ""
    return Line(job.name, job.detail, job.done, job.running, job.tasks, told)


def _draw_line(line: Line) -> str:
    done, running = (100 * part / max(line.total, 1) for part in (line.done, line.running))
    colour = _COLOURS[line.mood]
    # What runs is drawn paler behind what is done, so that a job of few long tasks is seen to be at work.
    fill = (
        f'<div style="height: 100%; width: {min(done + running, 100):.1f}%; background: {colour}; opacity: 0.35"></div>'
        f'<div style="position: absolute; inset: 0 auto 0 0; width: {done:.1f}%; background: {colour}"></div>'
    )
    return (
        f'<div style="overflow: hidden; text-overflow: ellipsis; white-space: nowrap">{escape(line.name)} '
        f'<span style="color: {_PALE}">{escape(line.note)}</span></div>'
        f'<div role="progressbar" aria-label="{escape(line.name)}" aria-valuemin="0" aria-valuemax="{line.total}" '
        f'aria-valuenow="{line.done}" aria-valuetext="{escape(line.told)}" style="position: relative; height: 10px; '
        f'border-radius: 5px; overflow: hidden; background: {_TRACK}">{fill}</div>'
        f'<div style="color: {colour if line.mood != "run" else _INK}">{escape(line.told)}</div>'
    )
