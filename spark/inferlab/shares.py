"""What part of a standalone cluster one session takes: cores, and GPUs where there are some. It starts no session.

Spark's own default is all cores, so that the second notebook of a workshop would wait for ever for the first.
"""

import math
import os

import pyspark

from inferlab import master
from inferlab.errors import Problem

AT_ONCE = "LAB_NOTEBOOKS_AT_ONCE"  # how many notebooks are to compute at the same time
GPU_SHARE = "LAB_GPU_SHARE"  # what part of a GPU each task takes; unset, no session asks for GPUs


def take(conf: pyspark.SparkConf, url: str) -> None:
    """Set what the session asks of the cluster, as far as nobody has: `spark.cores.max`, and GPUs.

    Changes nothing when the master's page does not answer: then Spark's own defaults hold. Raises `Problem` for settings in
    the environment that make no sense.
    """
    try:
        told = master.ask(master.page(url))
    except Problem:
        return
    hosts = [worker for worker in told.alive if worker.gpus]
    if hosts and os.environ.get(GPU_SHARE) and not conf.contains("spark.executor.resource.gpu.amount"):
        _take_gpus(conf, sum(len(host.gpus) for host in hosts), sum(host.cores for host in hosts))
    elif not conf.contains("spark.cores.max"):
        conf.set("spark.cores.max", str(cores(told.cores)))


def cores(there: int) -> int:
    """How many of a cluster's cores one session takes: half, or less where `LAB_NOTEBOOKS_AT_ONCE` is more than 2."""
    told = os.environ.get(AT_ONCE) or "2"
    if not told.isdigit() or not int(told):
        raise Problem(f"{AT_ONCE} is {told!r}.", "Give the number of notebooks that compute at once: 1 or more.")
    return max(1, math.ceil(there / int(told)))


def tasks_a_gpu() -> int:
    """How many tasks share one GPU: 4 for a share of 0.25."""
    told = os.environ.get(GPU_SHARE, "")
    try:
        share = float(told)
    except ValueError:
        share = 0
    if not 0 < share <= 1:
        raise Problem(f"{GPU_SHARE} is {told!r}.", "Give the part of a GPU that one task takes: more than 0, at most 1.")
    return int(1 / share)


def _take_gpus(conf: pyspark.SparkConf, gpus: int, cores: int) -> None:
    """One executor for each GPU, with a core for each task that shares it: an address then never changes in a process."""
    tasks = tasks_a_gpu()
    conf.set("spark.executor.resource.gpu.amount", "1").set("spark.task.resource.gpu.amount", os.environ[GPU_SHARE])
    if not conf.contains("spark.executor.cores"):
        conf.set("spark.executor.cores", str(tasks))
    if not conf.contains("spark.cores.max"):
        conf.set("spark.cores.max", str(min(tasks * gpus, cores)))
