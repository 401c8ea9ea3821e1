"""A bundle made ready for the workers of one Spark: its payload in a broadcast, its counters in an accumulator.

What a UDF closes over is a `Deployed`: a few hundred bytes, whatever the size of the model. The broadcast is read on a
worker only when that worker has no predictor yet.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pyspark import Accumulator, AccumulatorParam, Broadcast
from pyspark.accumulators import _accumulatorRegistry
from pyspark.sql import SparkSession
from pyspark.sql.types import ArrayType, FloatType, StringType, StructField, StructType

from inferlab import cluster, engines, worker
from inferlab.models.bundle import Bundle
from inferlab.worker import Answers, Counts


class _CountsByWorker(AccumulatorParam):
    """{worker name: Counts}, added up as tasks end."""

    def zero(self, value: dict) -> dict:
        return {}

    def addInPlace(self, value1: dict, value2: dict) -> dict:
        for name, counts in value2.items():
            value1[name] = value1.get(name, Counts()) + counts
        return value1


@dataclass(frozen=True)
class Deployed:
    """A bundle that workers can run. Made by `deploy`; freed by `close`."""

    spec: engines.Spec
    broadcast: Broadcast
    counters: Accumulator

    def answer(self, sources: Sequence[Any]) -> Answers:
        """Score rows in this process, which is a Python worker: see `worker.answer`."""
        return worker.answer(self.spec, self._payload, sources, self._report)

    def answer_on_driver(self, sources: Sequence[Any]) -> Answers:
        """Score rows in this process, which is the driver and has all the cores to itself."""
        spec = replace(self.spec, threads=os.cpu_count() or 1)
        return worker.answer(spec, self._payload, sources, self._report)

    def counts(self) -> dict[str, Counts]:
        """What each worker did since the last `reset`, by worker name; complete when the job has ended."""
        return dict(self.counters.value)

    def reset(self) -> None:
        """Start counting anew."""
        self.counters.value = {}

    def close(self) -> None:
        """Free the broadcast on driver and executors."""
        self.broadcast.destroy()

    @property
    def schema(self) -> StructType:
        """The columns that a strategy adds to its DataFrame."""
        if self.spec.output == "embedding":
            answer = [StructField("embedding", ArrayType(FloatType(), containsNull=False))]
        else:
            answer = [StructField("label", StringType()), StructField("score", FloatType())]
        return StructType([*answer, StructField("error", StringType())])

    def _payload(self) -> engines.Payload:
        return self.broadcast.value

    def _report(self, counts: Counts) -> None:
        # Spark sends home what the accumulators of the running task hold. A function that a worker kept from an earlier
        # task (predict_batch_udf keeps its own) still has that task's accumulator, so ask for the one that counts.
        _accumulatorRegistry.get(self.counters.aid, self.counters).add({worker.name(): counts})


def deploy(
    spark: SparkSession,
    bundle: Bundle,
    engine: str = "keras",
    precision: str = "f32",
    batch_size: int = engines.BATCH_SIZE,
) -> Deployed:
    """Send a bundle to the workers.

    engine, precision: see `engines.specify`; the keys of `engines.ENGINES`
    batch_size: rows in one call of the model
    Raises `Problem` when the engine cannot run the bundle.
    """
    spec = engines.specify(bundle, engine, precision, threads=cluster.threads_per_task(spark), batch_size=batch_size)
    payload = engines.module(engine).payload(bundle)
    context = spark.sparkContext
    return Deployed(spec, context.broadcast(payload), context.accumulator({}, _CountsByWorker()))
