"""What Spark does at this moment: its jobs, how many of their tasks are done, and how many rows came back from Python.

It is read from the store behind Spark's UI, which is there without the UI, as JSON that the JVM makes: every call into the
JVM takes a thread of each side, so a whole table comes with one. This module knows no notebook, and draws nothing.
"""

import json
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass

from pyspark.sql import SparkSession

from inferlab import sqlmetrics

QUIET = 3.0  # seconds without a running task until a job counts as waiting: Spark may write down a start a second late
READINGS = 10  # queries read at one look, newest first: a cell may start hundreds of small ones
LAST_READINGS = 100


@dataclass(frozen=True)
class Job:
    """One job of Spark, as it stands.

    detail: the Python steps of its query, or the running stages, and which of how many stages this is
    tasks: without those of stages that need not run again; `done`, `running` and `failed` attempts are of these
    started, ended: seconds since the epoch
    """

    number: int
    name: str
    detail: str
    status: str  # RUNNING, SUCCEEDED or FAILED
    tasks: int
    done: int
    running: int
    failed: int
    started: float
    ended: float | None
    waiting: bool


@dataclass(frozen=True)
class Snapshot:
    """All jobs since a watch began.

    rows: that came back from Python; where no query has a step in Python, records that the stages read
    cores: of all executors
    """

    time: float
    jobs: tuple[Job, ...]
    rows: int
    cores: int

    @property
    def running(self) -> list[Job]:
        """The jobs that have not ended."""
        return [job for job in self.jobs if job.status == "RUNNING"]

    @property
    def seconds(self) -> float:
        """How long at least one job ran: two at once count once, and a pause between two does not count."""
        total = upto = 0.0
        for started, ended in sorted((job.started, job.ended or self.time) for job in self.jobs):
            total += max(0.0, ended - max(started, upto))
            upto = max(upto, ended)
        return total


class Watch:
    """Looks at the jobs that were submitted after `since`, in seconds since the epoch."""

    def __init__(self, spark: SparkSession, since: float):
        self._since = since * 1000
        self._jvm = spark.sparkContext._jvm
        self._context = spark.sparkContext._jsc.sc()
        self._store = self._context.statusStore()
        self._queries = spark._jsparkSession.sharedState().statusStore()
        scala = self._jvm.com.fasterxml.jackson.module.scala.DefaultScalaModule()
        self._mapper = self._jvm.com.fasterxml.jackson.databind.ObjectMapper().registerModule(scala)
        self._jobs: dict[int, Job] = {}
        self._open: dict[int, list[int]] = {}  # the stages of each job that runs
        self._query_jobs: dict[int, set[int]] = {}
        self._plans: dict[int, _Plan] = {}
        self._unread: set[int] = set()  # queries whose rows may have changed
        self._python_rows: dict[int, float] = {}
        self._read_records: dict[int, int] = {}  # by stage
        self._quiet: dict[int, float] = {}  # when a job was first seen without a running task

    def look(self, last: bool = False) -> Snapshot:
        """How things stand.

        last: wait until Spark has written down everything that has happened, and leave no query unread
        """
        if self._context.isStopped():
            raise RuntimeError("This Spark has been stopped, and its store is empty.")
        if last:
            self._context.listenerBus().waitUntilEmpty(2000)
        now = time.time()
        ended = self._jobs.keys() - self._open.keys()
        first = min(self._open, default=max(self._jobs, default=-1) + 1)
        table = [entry for entry in self._table("JobDataWrapper", None, first) if entry["info"]["jobId"] not in ended]
        table = [entry for entry in table if entry["info"]["submissionTime"] >= self._since]
        stages = self._stages(table)
        executors = self._json(self._store.executorList(True))
        cores, slots = (sum(executor[count] for executor in executors) for count in ("totalCores", "maxTasks"))
        self._read_queries(table, LAST_READINGS if last else READINGS)
        for entry in table:
            job = self._job(entry, stages, slots, now)
            self._jobs[job.number] = job
            if job.status == "RUNNING":
                self._open[job.number] = entry["info"]["stageIds"]
            else:
                self._open.pop(job.number, None)
        return Snapshot(now, tuple(self._jobs.values()), self._rows(), cores)

    def _job(self, entry: dict, stages: dict[int, dict], slots: int, now: float) -> Job:
        info = entry["info"]
        number, query, done, running = info["jobId"], entry["sqlExecutionId"], info["numCompletedTasks"], info["numActiveTasks"]
        tasks = info["numTasks"] - info["numSkippedTasks"]
        plan = self._plans.get(query)
        if info["status"] != "RUNNING" or running or done == tasks:
            self._quiet.pop(number, None)
        else:
            self._quiet.setdefault(number, now)
        name = info["description"] or (plan and plan.name) or info["name"]
        active = [stages[stage]["name"] for stage in info["stageIds"] if stages.get(stage, {}).get("status") == "ACTIVE"]
        return Job(
            number=number,
            name=spoken(name),
            detail=detail(plan.steps if plan else [], [spoken(stage) for stage in active if stage != info["name"]], info),
            status=info["status"],
            tasks=tasks,
            done=done,
            running=min(running, slots),  # Spark counts a task in before it counts the one out that had its place
            failed=info["numFailedTasks"],
            started=info["submissionTime"] / 1000,
            ended=info["completionTime"] / 1000 if info["completionTime"] else None,
            waiting=number in self._quiet and now - self._quiet[number] >= QUIET,
        )

    def _stages(self, jobs: list[dict]) -> dict[int, dict]:
        """The stages of these jobs; what they have read is added up on the way."""
        wanted = {stage for job in jobs for stage in job["info"]["stageIds"]}
        if not wanted:
            return {}
        found = [entry["info"] for entry in self._table("StageDataWrapper", "stageId", min(wanted))]
        for stage in found:
            if stage["stageId"] in wanted:
                self._read_records[stage["stageId"]] = stage["inputRecords"]
        return {stage["stageId"]: stage for stage in found}

    def _read_queries(self, jobs: list[dict], most: int) -> None:
        """Read the plans of new queries, and what came back from Python in those that run or have just ended."""
        running = set()
        for job in jobs:
            if (query := job["sqlExecutionId"]) is not None:
                self._query_jobs.setdefault(query, set()).add(job["info"]["jobId"])
                self._unread.add(query)
                running |= {query} if job["info"]["status"] == "RUNNING" else set()
        for query in sorted(self._unread)[-most:]:
            plan = self._plans.get(query)
            if plan is None or plan.jobs != len(self._query_jobs[query]):  # a query may change its plan before its next job
                plan = self._plans[query] = self._plan(query)
            if plan.counters:
                values = self._json(self._queries.executionMetrics(query))
                self._python_rows[query] = most_rows(plan.counters, values)
            if query not in running:
                self._unread.discard(query)

    def _plan(self, query: int) -> "_Plan":
        name = self._plans[query].name if query in self._plans else self._queries.execution(query).get().description()
        steps, counters = python_steps(self._json(self._queries.planGraph(query))["nodes"])
        return _Plan(name, len(self._query_jobs[query]), steps, counters)

    def _rows(self) -> int:
        if any(plan.counters for plan in self._plans.values()):
            return int(sum(self._python_rows.values()))
        return sum(self._read_records.values())

    def _table(self, kind: str, index: str | None, first: int) -> list[dict]:
        """The rows of one of the store's tables, from one number on, in their order."""
        view = self._store.store().view(self._jvm.java.lang.Class.forName(f"org.apache.spark.status.{kind}"))
        return self._json((view.index(index) if index else view).first(first))

    def _json(self, found):
        return json.loads(self._mapper.writeValueAsString(found))


@dataclass(frozen=True)
class _Plan:
    """What matters of a query: its action, its Python steps, and which counters hold the rows that these gave back."""

    name: str
    jobs: int  # how many jobs it had when it was read
    steps: list[str]
    counters: list[int]


def spoken(name: str) -> str:
    """What Spark calls a job, for people.

    "count at NativeMethodAccessorImpl.java:0" -> "count"; "collect at .../ipykernel_7/42.py:3" -> "collect, line 3"
    """
    if match := re.fullmatch(r"(\w+) at .*\bipykernel_\d+\W\d+\.py:(\d+)", name):
        return f"{match[1]}, line {match[2]}"
    action, at, _ = name.partition(" at ")
    if action.startswith("$anonfun"):
        return "job"
    return action if at else name


def detail(steps: Iterable[str], stages: Iterable[str], info: dict) -> str:
    """The Python steps of a job's query, else its running stages; and which stage this is, where there are several."""
    parts = list(dict.fromkeys(steps)) or list(dict.fromkeys(stages))
    needed = len(info["stageIds"]) - info["numSkippedStages"]
    if needed > 1:
        parts.append(f"stage {min(info['numCompletedStages'] + 1, needed)} of {needed}")
    return ", ".join(parts)


def python_steps(nodes: list[dict]) -> tuple[list[str], list[int]]:
    """The Python steps in the nodes of a plan: their names, and the counters of the rows that came back from each."""
    steps, counters = [], []
    for node in nodes:
        inner_steps, inner_counters = python_steps(node.get("nodes", []))  # code that Spark compiles as one has nodes inside
        steps, counters = steps + inner_steps, counters + inner_counters
        if sqlmetrics.PYTHON.search(node["name"]):
            steps.append(node["name"])
            counters += [metric["accumulatorId"] for metric in node["metrics"] if metric["name"] == sqlmetrics.ROWS]
    return steps, counters


def most_rows(counters: list[int], values: dict[str, str]) -> float:
    """The rows of a query: those of its busiest Python step, because a row that passes two is one row."""
    return max(sqlmetrics.number(values.get(str(counter), "")) for counter in counters)
