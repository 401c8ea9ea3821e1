"""The same loop without Spark, in plain processes: what Spark is measured against. It knows no DataFrame.

`cold` is a person's script: one process, from its start to its last answer. `limit` is what the cores can do: one process
for each of Spark's task slots, each with its share of the files, everything warm.
"""

import multiprocessing
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import Connection

import numpy as np

from inferlab import engines, worker
from inferlab.engines import Spec
from inferlab.models.bundle import Bundle

# A new interpreter, as a script would have; a fork would inherit what this process has imported.
_processes = multiprocessing.get_context("spawn")


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
    team = [_Process(bundle, spec, paths[index::processes]) for index in range(processes)]
    seconds = []
    try:
        for _ in range(1 + repeats):  # the first pass loads the model
            started = time.perf_counter()
            for process in team:
                process.go()
            for process in team:
                process.answer()
            seconds.append(time.perf_counter() - started)
    finally:
        for process in team:
            process.__exit__()
    return seconds[1:]


class _Process:
    """A process that scores its files each time it is told to."""

    def __init__(self, bundle: Bundle, spec: Spec, paths: Sequence[str]):
        self.connection, theirs = _processes.Pipe()
        self.process = _processes.Process(target=_serve, args=(theirs, bundle, spec, list(paths)), daemon=True)
        self.process.start()
        theirs.close()  # so that the end of the process is seen here as the end of the pipe

    def __enter__(self) -> "_Process":
        return self

    def __exit__(self, *_) -> None:
        self.connection.close()
        self.process.join()

    def go(self) -> None:
        self.connection.send("go")

    def answer(self) -> tuple[worker.Counts, dict[str, np.ndarray]]:
        answer = self.connection.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer


def _serve(connection: Connection, bundle: Bundle, spec: Spec, paths: list[str]) -> None:
    """The process's side: score all files at each word, until the pipe is closed."""
    while True:
        try:
            connection.recv()
        except EOFError:
            return
        counted: list[worker.Counts] = []
        try:
            answers = worker.answer(spec, lambda: engines.module(spec.engine).payload(bundle), paths, counted.append)
            connection.send((counted[0], answers.columns()))
        except Exception as error:
            connection.send(error)
