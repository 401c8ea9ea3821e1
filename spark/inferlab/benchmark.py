"""Honest measurement: what is timed was computed, what is compared is equal, warm and cold are told apart.

For each engine, strategy and number of rows there is one cold run, in new Python workers, whose answers are collected and
compared with everyone else's; and then warm runs, taken in turns so that a machine that slows down slows all of them.
Row counters in the workers say whether every row was computed; a table with a missing or a different row is not printed.
This module draws nothing and writes no files.
"""

import contextlib
import io
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pandas as pd
from pyspark.sql import DataFrame, SparkSession

from inferlab import agreement, cluster, engines, plain, progress, sqlmetrics
from inferlab.datasets import folders
from inferlab.deployment import Deployed, deploy
from inferlab.errors import Problem
from inferlab.models.bundle import Bundle
from inferlab.strategies import STRATEGIES
from inferlab.worker import STAGES, Counts

# The ancestor timed these two by showing one row of the result.
TRAP = ("row_udf", "pandas_udf")
PARTITIONS_PER_SLOT = 2
MOST_ATTEMPTS = 3


@dataclass(frozen=True)
class Plan:
    """What to measure.

    rows: how many rows a run scores; files are repeated where there are fewer
    strategies: keys of `STRATEGIES`
    engines: (engine, precision) pairs
    repeats: warm runs of each combination
    """

    rows: tuple[int, ...] = (100, 500, 1000)
    strategies: tuple[str, ...] = tuple(STRATEGIES)
    engines: tuple[tuple[str, str], ...] = (("keras", "f32"), ("openvino", "f32"))
    repeats: int = 3

    def __post_init__(self):
        if unknown := set(self.strategies) - set(STRATEGIES):
            raise Problem(f"There is no strategy {', '.join(sorted(unknown))}.", f"Choose from: {', '.join(STRATEGIES)}.")
        if not self.rows or min(self.rows) < 1:
            raise Problem(f"Rows of {self.rows} cannot be measured.", "Name numbers from 1 up, like 100,500,1000.")
        if self.repeats < 1:
            raise Problem(f"{self.repeats} warm runs show nothing.", "Choose 3 or more: the spread is a part of the result.")


def pairs(engine_names: Sequence[str], precisions: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Each engine in each of the precisions that it has: Keras computes in f32 whatever is asked of the others.

    Raises `Problem` for an unknown engine or precision, and for a precision that none of the engines has on this CPU.
    """
    found: dict[tuple[str, str], None] = {}
    for engine, precision in product(engine_names, precisions):
        offered = engines.offered(engine)
        found[engine, engines.choose_precision(engine, precision) if precision in (*offered, "auto") else offered[0]] = None
    for precision in set(precisions) - {"auto"}:
        if precision not in {chosen for _, chosen in found}:
            engines.choose_precision(engine_names[-1], precision)
    return tuple(found)


@dataclass
class Comparison:
    """What was measured.

    runs: one dict a run, with the columns of `results.COLUMNS`
    agreements: one dict an engine, against Keras f32
    """

    plan: Plan
    runs: list[dict[str, Any]] = field(default_factory=list)
    agreements: list[dict[str, Any]] = field(default_factory=list)


def compare(spark: SparkSession, files: Sequence[str], bundle: Bundle, plan: Plan) -> Comparison:
    """Measure a plan on the user's own files.

    Raises `Problem` when a run computed too few or too many rows, or when two strategies on one f32 engine disagree.
    """
    comparison = Comparison(plan)
    bench = _Bench(spark, bundle, comparison.runs)
    combinations = len(plan.engines) * len(plan.strategies) * len(plan.rows)
    deployments = {pair: deploy(spark, bundle, *pair) for pair in plan.engines}
    with progress.steps(combinations * (1 + plan.repeats) + 3 * len(plan.engines), "comparing", "run") as advance:
        paths = {rows: folders.repeated(files, rows) for rows in plan.rows}
        tables = {rows: folders.to_dataframe(spark, paths[rows], bench.partitions) for rows in plan.rows}
        answers = {}
        for pair, strategy, rows in product(plan.engines, plan.strategies, plan.rows):
            advance(f"{pair[0]}, {strategy}, {rows} rows, cold")
            answers[pair, strategy, rows] = bench.cold(deployments[pair], strategy, tables[rows])
        for pair in plan.engines:
            agreement.require(pair, {key[1:]: found for key, found in answers.items() if key[0] == pair}, paths)
        bench.share_workers()
        for pair in plan.engines:
            advance(f"{pair[0]}, warming up")
            bench.warm_up(deployments[pair], tables)
        for repeat, pair, strategy, rows in product(range(plan.repeats), plan.engines, plan.strategies, plan.rows):
            advance(f"{pair[0]}, {strategy}, {rows} rows, {repeat + 1} of {plan.repeats}")
            bench.warm(deployments[pair], strategy, tables[rows], repeat)
        for pair in plan.engines:
            advance(f"{pair[0]}, the limit without Spark")
            bench.limit(deployments[pair], paths[max(plan.rows)], plan.repeats)
            advance(f"{pair[0]}, the ancestor's way")
            for strategy in TRAP:
                bench.show_one(deployments[pair], strategy, tables[max(plan.rows)])
        comparison.agreements = _agreements(bench, plan, answers, tables, deployments)
    for table in tables.values():
        table.unpersist()
    for deployed in deployments.values():
        deployed.close()
    return comparison


class _Bench:
    """Runs strategies and keeps one record of each run."""

    def __init__(self, spark: SparkSession, bundle: Bundle, runs: list[dict[str, Any]]):
        self.spark, self.bundle, self.runs = spark, bundle, runs
        self.slots = cluster.slots(spark)
        self.partitions = PARTITIONS_PER_SLOT * self.slots

    def cold(self, deployed: Deployed, strategy: str, df: DataFrame) -> pd.DataFrame:
        """One run in processes that have imported and loaded nothing. Returns its answers, in the order of the rows."""
        if strategy == "python_loop":
            rows = df.toPandas().sort_values("row", ignore_index=True)
            seconds, counts, columns = plain.cold(self.bundle, deployed.spec, list(rows["path"]))
            self._record(deployed, strategy, "cold", len(rows), seconds, counts, processes=1)
            return rows[["row"]].assign(**columns)
        self._new_workers()
        collected: list[pd.DataFrame] = []
        self._run(deployed, strategy, "cold", df, lambda result: collected.append(_collect(result, deployed)))
        return collected[0]

    def share_workers(self) -> None:
        """From now on all runs use the same workers, which keep what they have loaded."""
        self._new_workers()

    def warm_up(self, deployed: Deployed, tables: dict[int, DataFrame]) -> None:
        """Load the predictor in every worker and in the driver, for full batches and single rows; none of it is recorded."""
        few, many = tables[min(tables)], tables[max(tables)]
        for strategy, df in (("map_in_arrow", many), ("row_udf", few), ("python_loop", few)):
            _compute(STRATEGIES[strategy](df, deployed))

    def warm(self, deployed: Deployed, strategy: str, df: DataFrame, repeat: int) -> None:
        """One run in processes that have everything in memory. A run that had to load a model was not warm: take another.

        That happens: Spark ends workers that were idle for a minute, and may start one more when tasks follow closely.
        """
        for _ in range(MOST_ATTEMPTS):
            self._run(deployed, strategy, "warm", df, _compute, repeat)
            if not self.runs[-1]["model_loads"]:
                return
            self.runs.pop()
        raise Problem(
            f"{strategy} on {deployed.spec.engine} loads its model in every run.", "Are workers killed for want of memory?"
        )

    def show_one(self, deployed: Deployed, strategy: str, df: DataFrame) -> None:
        """The ancestor's way to time: show one row of the result. Spark computes what it needs for that, and no more."""
        with contextlib.redirect_stdout(io.StringIO()):
            self._run(deployed, strategy, "show", df, lambda result: result.show(1))

    def limit(self, deployed: Deployed, paths: list[str], repeats: int) -> None:
        """The same loop in as many plain processes as Spark has slots."""
        for repeat, seconds in enumerate(plain.limit(self.bundle, deployed.spec, paths, self.slots, repeats)):
            self._record(deployed, "plain_processes", "limit", len(paths), seconds, Counts(rows=len(paths)), repeat=repeat)

    def _new_workers(self) -> None:
        # Spark keeps Python workers by their environment: with another variable in it none of the old ones fits.
        self.spark.sparkContext.environment["INFERLAB_WORKERS"] = uuid.uuid4().hex

    def _run(
        self,
        deployed: Deployed,
        strategy: str,
        kind: str,
        df: DataFrame,
        force: Callable[[DataFrame], Any],
        repeat: int = 0,
    ) -> None:
        rows = df.count()
        deployed.reset()
        mark = sqlmetrics.mark(self.spark)
        started = time.perf_counter()
        force(STRATEGIES[strategy](df, deployed))
        seconds = time.perf_counter() - started
        metrics = sqlmetrics.since(self.spark, mark)
        counts = sum(deployed.counts().values(), Counts())
        if kind == "show":  # the workers were stopped before they could report; Spark's own metric knows
            counts.rows = int(metrics.rows)
        elif counts.rows != rows:
            raise Problem(
                f"{strategy} on {deployed.spec.engine} computed {counts.rows} of {rows} rows.",
                "Do not trust its time; look at the log for failed tasks.",
            )
        processes = 1 if strategy == "python_loop" else self.slots
        self._record(deployed, strategy, kind, rows, seconds, counts, processes, repeat, metrics)

    def _record(
        self,
        deployed: Deployed,
        strategy: str,
        kind: str,
        rows: int,
        seconds: float,
        counts: Counts,
        processes: int = 1,
        repeat: int = 0,
        metrics: sqlmetrics.Metrics = sqlmetrics.NONE,
    ) -> None:
        stages = {
            "start": metrics.start + (metrics.initialise if kind == "cold" else 0.0),
            **{stage: counts.seconds[stage] for stage in STAGES},
        }
        calls = sum(counts.batches.values())
        self.runs.append(
            {
                "kind": kind,
                "engine": deployed.spec.engine,
                "precision": deployed.spec.precision,
                "strategy": strategy,
                "rows": rows,
                "repeat": repeat,
                "seconds": seconds,
                "rows_per_second": rows / seconds,
                "rows_computed": counts.rows,
                "rejected": counts.rejected,
                "model_loads": counts.loads,
                "calls": calls,
                "mean_batch": sum(size * times for size, times in counts.batches.items()) / calls if calls else 0.0,
                "largest_batch": max(counts.batches, default=0),
                "processes": processes,
                **{f"{stage}_seconds": spent for stage, spent in stages.items()},
                "rest_seconds": max(0.0, processes * seconds - sum(stages.values())),
                "bytes_to_python": metrics.sent,
                "bytes_from_python": metrics.returned,
            }
        )


def _agreements(bench: _Bench, plan: Plan, answers: dict, tables: dict, deployments: dict) -> list[dict[str, Any]]:
    """Every engine's answers against those of Keras in f32, which is computed once more when it was not asked for."""
    rows = max(plan.rows)
    found = {pair: answers[pair, plan.strategies[0], rows] for pair in plan.engines}
    reference = found.get(("keras", "f32"))
    if reference is None:
        deployed = deploy(bench.spark, bench.bundle, "keras")
        reference = _collect(STRATEGIES["map_in_arrow"](tables[rows], deployed), deployed)
        deployed.close()
    return [
        {"engine": engine, "precision": precision, **agreement.measure(found[engine, precision], reference)}
        for engine, precision in found
    ]


def _collect(result: DataFrame, deployed: Deployed) -> pd.DataFrame:
    """The answers and nothing else, in the order of the rows."""
    return result.select("row", *deployed.schema.names).toPandas().sort_values("row", ignore_index=True)


def _compute(df: DataFrame) -> None:
    """Compute every row and every column, and keep nothing: `count` would prune the answers away."""
    df.write.format("noop").mode("overwrite").save()
