"""What makes a cluster fit for the lab, and the cure for each thing that does not. It scores nothing.

One small Spark job asks every free slot what it sees: its packages, its user, its memory, and whether what it writes to
the storage arrives here. TensorFlow is never imported, so an examination takes seconds.
"""

import json
import os
import shutil
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
from pyspark.sql import SparkSession

from inferlab import cluster, engines, jvm, storage

PACKAGES = ("pyspark", "keras", "tensorflow", "openvino", "pyarrow", "pandas", "numpy", "opencv-python-headless")
MB, GB = 10**6, 10**9
TENSORFLOW = 700 * MB  # resident after `import tensorflow`, in each Python worker
SPARK = 1_500 * MB  # a JVM with its heap in use, and the driver's Python
DISK = 2 * GB  # the sample data, a few models and their compiled forms, the results of a workshop
PATIENCE = 15  # seconds to wait for executors: a free cluster gives them in 3 to 5

Row = dict[str, Any]  # what one task saw


class Finding(NamedTuple):
    """One check and what came of it.

    ok: whether the lab can work with what was found
    cure: what to do, as a sentence; `examine` leaves it empty when ok
    """

    check: str
    ok: bool
    found: str
    cure: str


def examine(spark: SparkSession) -> list[Finding]:
    """Look at everything the lab needs, in less than 20 s. Raises nothing that a check can turn into a finding."""
    findings = [_java(spark), slots := _slots(spark)]
    token, rows = f"doctor-{uuid.uuid4().hex}", []
    if slots.ok:
        try:
            rows = _ask(spark, str(storage.root()), token)
            findings += [_answers(rows), _packages(rows)]
        except Exception as error:
            findings.append(_no_answer(error))
    findings += [_storage(rows, token), _disk()]
    if rows:
        findings += [_memory(spark, rows), _precision(rows)]
    return [finding._replace(cure="") if finding.ok else finding for finding in findings]


def table(findings: list[Finding]) -> pd.DataFrame:
    """The findings for a notebook: check, fit, found, cure; a row each."""
    shown = pd.DataFrame(findings, columns=Finding._fields)
    shown["ok"] = shown["ok"].map({True: "yes", False: "NO"})
    return shown.rename(columns={"ok": "fit"}).set_index("check")


def report(findings: list[Finding]) -> str:
    """The findings for a terminal: a line each, and below those that are not fit their cure."""
    lines = []
    for check, ok, found, cure in findings:
        lines.append(f"{'ok' if ok else 'NO'}  {check:<10} {found}")
        lines += [] if ok else [f"{'':<15}{cure}"]
    sick = sum(not finding.ok for finding in findings)
    verdict = f"{sick} of {len(findings)} checks failed." if sick else "This Spark is fit for the lab."
    return "\n".join([*lines, verdict])


def _java(spark: SparkSession) -> Finding:
    found = spark._jvm.java.lang.System.getProperty("java.version")
    cure = f"Install Java {jvm.OLDEST} or 21 and set JAVA_HOME to it."
    return Finding("java", int(found.split(".")[0]) >= jvm.OLDEST, f"Java {found}, Spark {spark.version}", cure)


def _slots(spark: SparkSession) -> Finding:
    """How many tasks could start now. A cluster gives executors a moment after the session: wait for the first."""
    context = spark.sparkContext._jsc.sc()
    deadline = time.monotonic() + PATIENCE
    while True:
        infos = context.statusTracker().getExecutorInfos()
        executors = len(infos) if context.isLocal() else len(infos) - 1  # the driver is in the list, and runs no tasks
        if executors or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    slots = cluster.slots(spark) if executors else 0
    free = max(0, slots - sum(info.numRunningTasks() for info in infos))
    where = "embedded" if context.isLocal() else f"executors: {executors}"
    cure = "Another application holds the cores: stop its notebook (Kernel, Shut Down), or wait for its job to end."
    return Finding("slots", free > 0, f"{free} of {slots} free, {where}", cure)


def _ask(spark: SparkSession, root: str, token: str) -> list[Row]:
    """Two tasks a slot: Spark fills all slots at once, so each executor has its turn."""

    def look(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for _ in batches:
            yield pa.RecordBatch.from_pydict({"seen": [json.dumps(_look(root, token))]})

    tasks = 2 * cluster.slots(spark)
    answers = spark.range(0, tasks, 1, tasks).mapInArrow(look, "seen string").collect()
    return [json.loads(answer.seen) for answer in answers]


def _look(root: str, token: str) -> Row:
    """What this process sees."""
    return {
        "host": storage.host(),
        "pid": os.getpid(),
        "uid": os.getuid(),
        "versions": _versions(),
        "memory": _memory_here(),
        "precisions": ", ".join(engines.module("openvino").precisions()),
        "storage": _round_trip(Path(root), token),
    }


def _versions() -> dict[str, str]:
    """Versions as the package index names them: nothing is imported."""
    found = {"python": ".".join(str(part) for part in sys.version_info[:3])}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def _memory_here() -> int:
    """Bytes of memory that this machine, or the container around this process, may use."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = Path("/sys/fs/cgroup/memory.max")
    told = limit.read_text().strip() if limit.is_file() else "max"
    return min(physical, int(told)) if told.isdigit() else physical


def _round_trip(root: Path, token: str) -> str:
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


def _answers(rows: list[Row]) -> Finding:
    hosts, workers = {row["host"] for row in rows}, {(row["host"], row["pid"]) for row in rows}
    machines = "1 machine" if len(hosts) == 1 else f"{len(hosts)} machines"
    return Finding("workers", True, f"{len(workers)} Python workers on {machines} answer", "")


def _no_answer(error: Exception) -> Finding:
    """The last line of a worker's traceback says why; the rest is Spark's."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = next((line for line in reversed(lines) if "Error" in line or "Exception" in line), (lines or ["?"])[0])
    cure = "Give every machine the same Python and packages: `make up` builds one image for all of them."
    return Finding("workers", False, f"the job failed: {said[:200]}", cure)


def _packages(rows: list[Row]) -> Finding:
    here = _versions()
    wrong = sorted(
        f"{name} {row['versions'][name]} on {row['host']} (driver {here[name]})"
        for row in {row["host"]: row for row in rows}.values()
        for name in here
        if row["versions"][name] != here[name]
    )
    missing = [f"{name} is missing" for name, found in here.items() if found == "missing"]
    ok = ", ".join(f"{name.removesuffix('-python-headless')} {found}" for name, found in here.items())
    cure = "Install requirements.lock on every machine: `make up` builds one image for all of them."
    return Finding("packages", not wrong + missing, "; ".join(missing + wrong) or ok, cure)


def _storage(rows: list[Row], token: str) -> Finding:
    """Each worker wrote a file; here they must be seen, and be ours to delete."""
    root = storage.root()
    cure = "Make the folder writable for this user, or set INFERLAB_STORAGE to one that is."
    if problem := _round_trip(root, token):
        return Finding("storage", False, f"{_short(root)}: {problem}", cure)
    arrived = list((root / ".scratch").glob(f"{token}-*"))
    for file in arrived:
        file.unlink()
    if failed := {f"{row['host']}: {row['storage']}" for row in rows if row["storage"]}:
        cure = "Mount the same volume at the same path on every machine: compose's `share_storages` does."
        return Finding("storage", False, f"{_short(root)} from {'; '.join(sorted(failed))}", cure)
    if len(arrived) != len(rows) + 1:
        found = f"{len(arrived) - 1} of {len(rows)} files written by workers are seen by the driver"
        return Finding("storage", False, found, "Give all machines one shared folder; each has its own now.")
    if strangers := {row["uid"] for row in rows} - {os.getuid()}:
        found = f"workers write as user {strangers}, the driver as {os.getuid()}"
        return Finding("storage", False, found, "Run driver and workers as one user: the driver must move their files.")
    return Finding("storage", True, f"{_short(root)}: {len(rows)} tasks wrote, read and renamed as the same user", "")


def _disk() -> Finding:
    root = storage.root()
    there = next(folder for folder in (root, *root.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    cure = "Delete old results, or set INFERLAB_STORAGE to a folder on a larger disk."
    found = f"{free / GB:,.0f} GB free in the storage, {DISK / GB:.0f} GB wanted"
    return Finding("disk", free >= DISK, found, cure)


def _memory(spark: SparkSession, rows: list[Row]) -> Finding:
    """The machine with the least to spare decides."""
    tasks, slots, spare = Counter(row["host"] for row in rows), cluster.slots(spark), {}
    for row in rows:
        needed = SPARK + TENSORFLOW * max(1, round(slots * tasks[row["host"]] / len(rows)))
        spare[row["host"]] = (row["memory"] - needed, row["memory"], needed)
    least, memory, needed = min(spare.values())
    found = f"{memory / GB:.1f} GB, {needed / GB:.1f} GB wanted when every slot runs TensorFlow"
    cure = 'Use fewer slots (SPARK_MASTER="local[1]"), or the engine openvino, whose workers need a tenth.'
    return Finding("memory", least >= 0, found, cure)


def _precision(rows: list[Row]) -> Finding:
    kinds = sorted({row["precisions"] for row in rows})
    if len(kinds) > 1:
        return Finding("precision", False, f"machines differ: {' / '.join(kinds)}", "Score with --precision f32.")
    slow = "" if "bf16" in kinds[0] else "; bf16 needs a CPU with AMX or AVX-512 BF16, and the lab works without"
    return Finding("precision", True, f"openvino computes in {kinds[0]}{slow}", "")


def _short(path: Path) -> str:
    """A path without the part that only this machine has."""
    return path.name if path.name == storage.FOLDER else str(path)
