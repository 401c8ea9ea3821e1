"""The same loop without Spark, in plain processes: what Spark is measured against. It knows no DataFrame.

`cold` is a person's script: one process, from its start to its last answer. `limit` is what the cores can do: one process
for each of Spark's task slots, each with its share of the files, everything warm.
"""

import contextlib
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import BinaryIO

import numpy as np

from inferlab import engines, worker
from inferlab.engines import Spec
from inferlab.errors import Problem
from inferlab.models.bundle import Bundle


def cold(bundle: Bundle, spec: Spec, paths: Sequence[str]) -> tuple[float, worker.Counts, dict[str, np.ndarray]]:
    """Score files in one new process that has all the cores.

    returns: seconds from before its start to its last answer, its counters, and its answers as `Answers.columns` gives them
    """
    started = time.perf_counter()
    with _Process(bundle, replace(spec, threads=os.cpu_count() or 1), paths) as process:
        process.go()
        counts, columns = process.answer()
        return time.perf_counter() - started, counts, columns


def limit(bundle: Bundle, spec: Spec, paths: Sequence[str], processes: int, repeats: int) -> list[float]:
    """Score files in `processes` processes side by side, each with `spec.threads` threads and its share of the files.

    returns: seconds of each of `repeats` warm passes over all the files, from the common start to the last to finish
    """
    seconds = []
    with contextlib.ExitStack() as stack:
        team = [stack.enter_context(_Process(bundle, spec, paths[index::processes])) for index in range(processes)]
        for _ in range(1 + repeats):  # the first pass loads the model
            started = time.perf_counter()
            for process in team:
                process.go()
            for process in team:
                process.answer()
            seconds.append(time.perf_counter() - started)
    return seconds[1:]


class _Process:
    """A process that scores its files each time it is told to.

    It is started as a command: `multiprocessing` would run the caller's own script again in each child. What goes through
    the pipes is pickled, between two processes of the same person's, as `multiprocessing` does it.
    """

    def __init__(self, bundle: Bundle, spec: Spec, paths: Sequence[str]):
        command = [sys.executable, "-m", "inferlab.plain"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._send((bundle, spec, list(paths)))

    def __enter__(self) -> "_Process":
        return self

    def __exit__(self, *_) -> None:
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def go(self) -> None:
        self._send("go")

    def answer(self) -> tuple[worker.Counts, dict[str, np.ndarray]]:
        try:
            answer = pickle.load(self.process.stdout)
        except EOFError:
            reason = f"it ended with code {self.process.wait()}"
            raise Problem(f"A plain process gave no answer: {reason}.", "Was it killed for want of memory?") from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _send(self, message: object) -> None:
        pickle.dump(message, self.process.stdin)
        self.process.stdin.flush()


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """The process's side: score all files at each word, until the pipe is closed."""
    bundle, spec, paths = pickle.load(requests)
    with contextlib.suppress(EOFError):
        while pickle.load(requests):
            counted: list[worker.Counts] = []
            try:
                found = worker.answer(spec, lambda: engines.module(spec.engine).payload(bundle), paths, counted.append)
                pickle.dump((counted[0], found.columns()), answers)
            except Exception as error:
                pickle.dump(error, answers)
            answers.flush()


if __name__ == "__main__":
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # what a library prints must not come between the answers
        _serve(sys.stdin.buffer, answers)
