"""What one task sees around it, and the job that makes every executor look. It judges nothing: that is the doctor's work.

`look` runs on workers. It imports what it asks about only where it asks, so that a worker on which something is missing can
still say so.
"""

import glob
import json
import os
import re
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inferlab import machine, storage

PATIENCE = 30  # seconds until every executor must have answered
TOGETHER = 0.5  # seconds between two rounds of questions

Row = dict[str, Any]  # what one task saw


@dataclass
class Survey:
    """What came back.

    rows: what each task saw; see `look`
    silent: executors of which no task has answered, as "1 on HOST"
    clocks: for each host, between which two numbers of seconds its clock is ahead of the driver's
    """

    rows: list[Row] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    clocks: dict[str, tuple[float, float]] = field(default_factory=dict)


def survey(spark, token: str, patience: float = PATIENCE) -> Survey:
    """Ask until every executor has answered, or patience ends. Raises what Spark raises when a task fails.

    token: names the files that tasks leave below `.scratch` of the storage
    """
    from inferlab import cluster

    conf, root = spark.sparkContext.getConf(), str(storage.root())
    driver = conf.get("spark.driver.host"), int(conf.get("spark.driver.port"))
    found, deadline = Survey(), time.monotonic() + patience
    while True:
        found.rows += _run(spark, lambda: look(root, token, driver), deadline)
        found.silent = silent(found.rows, cluster.executors(spark))
        if not found.silent or time.monotonic() > deadline:
            break
        time.sleep(TOGETHER)
    # The first round started processes. The second does nothing else, so its beginning and end are a moment apart.
    found.clocks = clocks(_run(spark, lambda: {"host": storage.host(), "clock": time.time()}, deadline + patience))
    return found


def look(root: str, token: str, driver: tuple[str, int]) -> Row:
    """What this task sees.

    executor: its id, or "" where Spark does not tell; with `parent`, the process that starts Python workers
    memory, scratch: bytes that it may use, bytes free for what Spark writes
    precisions: what OpenVINO computes in, or ""; storage: what is wrong with it, or ""
    driver: seconds to open a connection to the driver, or what is wrong
    gpus: addresses given to the task; devices: whether there is a GPU at all; pretended: whether they are made up
    """
    return {
        "executor": _executor(),
        "host": storage.host(),
        "parent": os.getppid(),
        "pid": os.getpid(),
        "uid": os.getuid(),
        "versions": machine.versions(),
        "memory": machine.memory(),
        "scratch": _scratch(),
        "processor": machine.processor(),
        "flags": machine.matrix_flags(),
        "precisions": _precisions(),
        "storage": round_trip(Path(root), token),
        "driver": _connect(driver),
        "gpus": _gpus(),
        "devices": bool(glob.glob("/dev/nvidia[0-9]*")) or os.path.exists("/dev/dxg"),
        "pretended": (os.environ.get("INFERLAB_PRETEND_GPUS") or "0") != "0",
    }


def silent(rows: Iterable[Row], executors) -> list[str]:
    """The executors of which no row comes."""
    ids, parents = {row["executor"] for row in rows}, {(row["host"], row["parent"]) for row in rows}
    if "" in ids and len(parents) >= len(executors):  # nobody has a name, and there are enough of them
        return []
    return [f"{one.id} on {one.host}" for one in executors if one.id not in ids]


def clocks(rows: Iterable[Row]) -> dict[str, tuple[float, float]]:
    """Between which two numbers of seconds each host's clock is ahead of the driver's.

    A task that said 12:00:05 between 12:00:01 and 12:00:02 of the driver's clock is 3 to 4 s ahead.
    """
    found: dict[str, tuple[float, float]] = {}
    for row in rows:
        least, most = found.get(row["host"], (float("-inf"), float("inf")))
        found[row["host"]] = max(least, row["clock"] - row["after"]), min(most, row["clock"] - row["before"])
    return found


def round_trip(root: Path, token: str) -> str:
    """Write, read and rename a file below an existing storage. Returns "" or what went wrong."""
    try:
        if not root.is_dir():
            return "there is no such folder"
        folder = root / ".scratch"
        folder.mkdir(exist_ok=True)
        first = folder / f"_{token}-{uuid.uuid4().hex}"
        first.write_text(token)
        if first.read_text() != token:
            return "a file came back with other content"
        first.rename(folder / first.name[1:])
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _run(spark, see: Callable[[], Row], deadline: float) -> list[Row]:
    """Two tasks a slot: Spark fills all free slots at once, so each executor has its turn. Ends with the deadline."""
    from inferlab import cluster

    def each(batches: Iterator) -> Iterator:
        import pyarrow as pa

        for _ in batches:
            yield pa.RecordBatch.from_pydict({"seen": [json.dumps(see())]})

    context, tag, tasks = spark.sparkContext, f"probe-{uuid.uuid4().hex}", 2 * cluster.slots(spark)
    alarm = threading.Timer(max(0.0, deadline - time.monotonic()), context.cancelJobsWithTag, [tag])
    alarm.daemon = True
    context.addJobTag(tag)
    alarm.start()
    before = time.time()
    try:
        answers = spark.range(0, tasks, 1, tasks).mapInArrow(each, "seen string").collect()
    except Exception:
        if time.monotonic() < deadline:
            raise
        return []  # nobody had time
    finally:
        alarm.cancel()
        context.removeJobTag(tag)
    after = time.time()
    return [{**json.loads(answer.seen), "before": before, "after": after} for answer in answers]


def _executor() -> str:
    """Kubernetes names it, a standalone worker hides it in an address, and embedded there is only one."""
    if told := os.environ.get("SPARK_EXECUTOR_ID"):
        return told
    found = re.search(r"executorId=(\w+)", os.environ.get("SPARK_LOG_URL_STDERR", ""))
    return found[1] if found else ""


def _scratch() -> int:
    """Bytes free where Spark writes what does not fit into memory."""
    folders = [folder for folder in os.environ.get("SPARK_LOCAL_DIRS", "").split(",") if os.path.isdir(folder)]
    return min(shutil.disk_usage(folder).free for folder in folders or ["."])


def _precisions() -> str:
    try:
        os.environ.setdefault("OPENVINO_TELEMETRY_OPT_OUT", "1")
        import openvino

        can = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    except Exception:  # a package that is missing is said with the versions; any other defect shows here
        return ""
    return ", ".join(name for name, word in (("f32", "FP32"), ("bf16", "BF16"), ("int8", "INT8")) if word in can)


def _connect(driver: tuple[str, int]) -> float | str:
    began = time.perf_counter()
    try:
        socket.create_connection(driver, timeout=5).close()
    except OSError as error:
        return error.strerror or str(error)
    return time.perf_counter() - began


def _gpus() -> list[str]:
    from pyspark import TaskContext

    given = TaskContext.get().resources().get("gpu")
    return list(given.addresses) if given else []
