"""What there is to compute with: Java, slots, memory, disk, GPUs, and the precisions of each processor."""

import shutil
import time

from pyspark.sql import SparkSession

from inferlab import cluster, jvm, storage, waiting
from inferlab import master as masters
from inferlab.doctor.finding import Finding
from inferlab.errors import Problem
from inferlab.models.bundle import GRAPH
from inferlab.probe import Row

MB, GB = 10**6, 10**9
TENSORFLOW = 700 * MB  # resident after `import tensorflow`, in each Python worker
SPARK = 1_500 * MB  # a JVM with its heap in use, and the driver's Python
JVM = 400 * MB  # what an executor's Java takes beside its heap
DAEMON = 500 * MB  # the worker process that starts executors
DISK = 2 * GB  # the sample data, a few models and their compiled forms, the results of a workshop
SCRATCH = GB // 2  # what shuffles and broadcasts of the lab leave on a worker while a session lasts
PATIENCE = 15  # seconds to wait for executors: a session has waited before


def java(spark: SparkSession) -> Finding:
    """Whether Spark runs on a Java that it supports."""
    found = spark._jvm.java.lang.System.getProperty("java.version")
    cure = f"Install Java {jvm.OLDEST} or 21 and set JAVA_HOME to it."
    return Finding("java", int(found.split(".")[0]) >= jvm.OLDEST, f"Java {found}, Spark {spark.version}", cure)


def slots(spark: SparkSession) -> Finding:
    """How many tasks could start now, and who holds the cores that this session does not have."""
    deadline = time.monotonic() + PATIENCE
    while not (executors := cluster.executors(spark)) and time.monotonic() < deadline:
        time.sleep(0.2)
    total = cluster.slots(spark) if executors else 0
    free = max(0, total - sum(one.running for one in executors))
    embedded = spark.sparkContext._jsc.sc().isLocal()
    found = f"{free} of {total} free, {'embedded' if embedded else f'executors: {len(executors)}'}"
    problem = cluster.obstacle(spark) if not free else None
    if problem:
        return Finding("slots", False, f"{found}. {problem.what}", problem.cure)
    return Finding("slots", free > 0, found + _left(spark), "Examine again: every slot was busy a moment ago.")


def _left(spark: SparkSession) -> str:
    """What of a standalone cluster is left for others."""
    if not masters.is_standalone(spark.sparkContext.master):
        return ""
    try:
        master = masters.ask(masters.page(spark.sparkContext.master))
    except Problem:
        return ""
    others = waiting.told(master.holders(but=spark.sparkContext.applicationId))
    left = f" on {len(master.alive)} workers; {master.free} of the cluster's {master.cores} cores are left"
    return left + (f"; {others}" if others else "")


def memory(spark: SparkSession, rows: list[Row]) -> Finding:
    """What each task may take, on the machine with the least, against TensorFlow and the largest model in the storage."""
    name, size = _largest_model()
    needed = TENSORFLOW + 2 * size  # the weights that arrive, and the model that is built from them
    executors = {(row["host"], row["parent"]): row for row in rows}
    spare = []
    for host in {host for host, _ in executors}:
        here = [row for (there, _), row in executors.items() if there == host]
        tasks = max(1, round(cluster.slots(spark) * len(here) / len(executors)))
        least = min(row["memory"] for row in here)
        spare.append(((least - _sparks_part(spark, host, len(here))) / tasks, least, tasks))
    each, least, tasks = min(spare)
    wants = f"TensorFlow and the model {name} take {needed / GB:.1f} GB" if name else f"TensorFlow takes {needed / GB:.1f} GB"
    left = f"leave {each / GB:.1f} GB a task, {tasks} at once" if each > 0 else "leave nothing beside Java"
    cure = 'Use fewer slots (SPARK_MASTER="local[1]", or SPARK_WORKER_CORES), give the containers more (LAB_WORKER_LIMIT), or'
    cure += " use the engine openvino, whose workers need a tenth."
    return Finding("memory", each >= needed, f"{least / GB:.1f} GB {left}; {wants}", cure)


def _sparks_part(spark: SparkSession, host: str, executors: int) -> int:
    """Bytes on one host that are not for Python workers."""
    context = spark.sparkContext._jsc.sc()
    if context.isLocal():
        return SPARK
    here = SPARK if host == storage.host() else 0  # the driver
    return here + DAEMON + executors * (context.executorMemory() * 2**20 + JVM)


def _largest_model() -> tuple[str, int]:
    """The name and the bytes of the largest model in the storage; "" and 0 without any."""
    sizes = [(graph.stat().st_size, graph.parent.name) for graph in storage.models().glob(f"*/{GRAPH}")]
    size, name = max(sizes, default=(0, ""))
    return name, size


def disk(rows: list[Row]) -> Finding:
    """Space in the storage, and for what Spark writes on each worker."""
    root = storage.root()
    there = next(folder for folder in (root, *root.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if free < DISK:
        cure = "Delete old results, or set INFERLAB_STORAGE to a folder on a larger disk."
        return Finding("disk", False, f"{free / GB:,.0f} GB free in the storage, {DISK / GB:.0f} GB wanted", cure)
    if short := {f"{row['host']} {row['scratch'] / GB:.1f} GB" for row in rows if row["scratch"] < SCRATCH}:
        found = f"free for Spark's own files: {', '.join(sorted(short))}; {SCRATCH / GB:.1f} GB wanted"
        return Finding("disk", False, found, "Give the worker a larger scratch (LAB_SCRATCH, or spark.local.dir), or empty it.")
    found = f"{free / GB:,.0f} GB free in the storage, {DISK / GB:.0f} GB wanted"
    if rows:
        found += f"; {min(row['scratch'] for row in rows) / GB:,.1f} GB for Spark's own files, {SCRATCH / GB:.1f} GB wanted"
    return Finding("disk", True, found, "")


def gpus(rows: list[Row]) -> Finding:
    """Which GPUs tasks are given. Those that are made up are said to be."""
    given = {row["host"]: set() for row in rows if row["gpus"]}
    for row in rows:
        if row["gpus"]:
            given[row["host"]] |= set(row["gpus"])
    if not given:
        return Finding("gpus", True, "none, and none is needed", "")
    found = "; ".join(f"{host} {', '.join(sorted(addresses))}" for host, addresses in sorted(given.items()))
    if any(row["pretended"] for row in rows if row["gpus"]):
        return Finding("gpus", True, f"{found}: made up (INFERLAB_PRETEND_GPUS), to rehearse how they are handed out", "")
    if ghosts := sorted({row["host"] for row in rows if row["gpus"] and not row["devices"]}):
        found = f"Spark hands out {found}, and there is no such device on {', '.join(ghosts)}"
        return Finding(
            "gpus", False, found, "Start that worker with its GPU (COMPOSE_PROFILES=gpu), or set INFERLAB_PRETEND_GPUS."
        )
    return Finding("gpus", True, found, "")


def precision(rows: list[Row]) -> Finding:
    """What each processor computes in."""
    kinds = sorted({(row["processor"], row["precisions"], tuple(row["flags"])) for row in rows})
    told = "; ".join(
        f"{name}: {can or 'nothing'} in openvino ({', '.join(flags) or 'no'} matrix units)" for name, can, flags in kinds
    )
    if not all(can for _, can, _ in kinds):
        return Finding("precision", False, told, "Install openvino anew: pip install --force-reinstall openvino.")
    if len({can for _, can, _ in kinds}) > 1:
        return Finding("precision", False, f"machines differ: {told}", "Score with --precision f32.")
    slow = "" if "bf16" in kinds[0][1] else "; bf16 needs a CPU with AMX or AVX-512 BF16, and the lab works without"
    return Finding("precision", True, told + slow, "")
