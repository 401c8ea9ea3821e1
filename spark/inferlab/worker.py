"""What one Python worker keeps between batches: its predictors, its counters, its GPU.

Spark reuses Python workers from task to task and from job to job, so a predictor that was built once serves every later
batch of the same bundle. This module does not know which strategy calls it, nor what a DataFrame is.
"""

import gc
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inferlab import engines, storage
from inferlab.engines import Payload, Predict, Spec
from inferlab.errors import Problem
from inferlab.media import Rejected, image, read

MAX_PREDICTORS = 4
STAGES = ("import", "load", "read", "decode", "predict")


@dataclass
class Counts:
    """What happened in one process, to be added up.

    batches: how many calls of the predictor had how many rows
    seconds: wall time of each of `STAGES`
    """

    rows: int = 0
    rejected: int = 0
    loads: int = 0
    batches: Counter = field(default_factory=Counter)
    seconds: Counter = field(default_factory=Counter)

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.rows + other.rows,
            self.rejected + other.rejected,
            self.loads + other.loads,
            self.batches + other.batches,
            self.seconds + other.seconds,
        )

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time that the block takes to a stage."""
        start = time.perf_counter()
        yield
        self.seconds[stage] += time.perf_counter() - start


@dataclass
class Answers:
    """One answer a row, in the order of the rows.

    values: float32 (rows, values); rows that were rejected are undefined
    errors: object (rows,): None, or what was wrong with the row
    """

    spec: Spec
    values: np.ndarray
    errors: np.ndarray

    def columns(self) -> dict[str, np.ndarray]:
        """The columns that a strategy adds, with None where a row has no answer.

        probabilities: label object (rows,), score float32 as object (rows,), error object (rows,)
        embedding: embedding object (rows,) of float32 (width,), error object (rows,)
        """
        good = np.equal(self.errors, None)
        if self.spec.output == "embedding":
            embedding = np.full(len(good), None, object)
            for row in np.flatnonzero(good):  # NumPy would spread a list of vectors over several dimensions
                embedding[row] = self.values[row]
            return {"embedding": embedding, "error": self.errors}
        best = self.values.argmax(axis=1)
        label = np.where(good, np.array(self.spec.labels, object)[best], None)
        score = np.where(good, self.values[np.arange(len(best)), best].astype(object), None)
        return {"label": label, "score": score, "error": self.errors}


_gpu: dict[str, str] = {}  # "addresses": what this process was restricted to
_predictors: dict[tuple, tuple[str, Predict]] = {}  # slot -> (SHA-256, predictor), oldest use first


def answer(
    spec: Spec,
    payload: Callable[[], Payload],
    sources: Sequence[Any],
    report: Callable[[Counts], None] = lambda counts: None,
) -> Answers:
    """Score rows: the one loop behind every strategy.

    payload: gives what the engine needs; called only when this process has no predictor for the bundle yet
    sources: (rows,) each a path (str), a file's content (bytes), or decoded pixels (ndarray (height, width, 3))
    report: takes the counters of this call

    1,000 paths are decoded `batch_size` at a time: the memory held is one batch of pixels, never all of them.
    """
    counts = Counts(rows=len(sources))
    predict = predictor(spec, payload, counts)
    answers = Answers(spec, np.zeros((len(sources), spec.values), np.float32), np.full(len(sources), None, object))
    batch = np.empty((spec.batch_size, spec.height, spec.width, 3), np.uint8)
    rows: list[int] = []  # the row that each image of the batch belongs to

    def flush() -> None:
        with counts.timed("predict"):
            answers.values[rows] = predict(batch[: len(rows)])
        counts.batches[len(rows)] += 1
        rows.clear()

    for row, source in enumerate(sources):
        problem = _fill(batch[len(rows)], source, counts)
        if problem:
            answers.errors[row] = str(problem)
            counts.rejected += 1
            continue
        rows.append(row)
        if len(rows) == spec.batch_size:
            flush()
    if rows:
        flush()
    report(counts)
    return answers


def predictor(spec: Spec, payload: Callable[[], Payload], counts: Counts) -> Predict:
    """The predictor of this process for a bundle: built once, and dropped when a newer bundle takes its name."""
    sha256, predict = _predictors.pop(spec.slot, (None, None))
    if sha256 != spec.sha256:
        predict = None  # before the new one is built, so that two models never share the memory
        while len(_predictors) >= MAX_PREDICTORS:
            del _predictors[next(iter(_predictors))]
        gc.collect()
        with counts.timed("import"):
            claim_gpu()
            engines.module(spec.engine).prepare(spec.threads)
        with counts.timed("load"):
            predict = engines.module(spec.engine).load(payload(), spec)
        counts.loads += 1
        # Spark collects garbage after every task; with a framework's objects to look through that is 50 to 100 ms.
        gc.freeze()
    _predictors[spec.slot] = spec.sha256, predict
    return predict


def name() -> str:
    """This process, as the counters name it."""
    return f"{storage.host()}:{os.getpid()}"


def claim_gpu() -> str | None:
    """Restrict this process to the GPU that Spark gave its task; without one, change nothing.

    Spark names the address in the task's resources and leaves it to the program to use no other. It must happen before
    a framework is imported, so a process stays with its first address; `Problem` when Spark gives it another one later.
    """
    if "pyspark" not in sys.modules:  # a plain process, which has no task
        return None
    from pyspark import TaskContext

    context = TaskContext.get()
    if context is None or "gpu" not in context.resources():
        return None
    addresses = ",".join(context.resources()["gpu"].addresses)
    if _gpu.setdefault("addresses", addresses) != addresses:
        raise Problem(
            f"This process computes on GPU {_gpu['addresses']}, and Spark has given its task GPU {addresses}.",
            "Give each executor one GPU: spark.executor.resource.gpu.amount=1.",
        )
    os.environ["CUDA_VISIBLE_DEVICES"] = addresses
    os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
    return addresses


def _fill(out: np.ndarray, source: Any, counts: Counts) -> Rejected | None:
    """Put the pixels of one source into the batch, or say why that cannot be done."""
    if isinstance(source, np.ndarray):
        out[:] = source
        return None
    if source is None:
        return Rejected("empty", "the row has neither a path nor a content")
    if isinstance(source, str):
        with counts.timed("read"):
            source = read(source)
        if isinstance(source, Rejected):
            return source
    with counts.timed("decode"):
        pixels = image.decode(source, out.shape[0], out.shape[1], out)
    return pixels if isinstance(pixels, Rejected) else None
