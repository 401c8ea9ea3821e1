"""Why an application on a cluster has no executor: what the master says, as a sentence with its cure.

Spark only repeats that "the initial job has not accepted any resources". This module reads what the master knows and what the
application asked for. It starts nothing, and it waits for nothing itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from inferlab.errors import Problem
from inferlab.master import Application, Master, Worker

GIB = 2**30


@dataclass(frozen=True)
class Request:
    """What an application asked for, as far as its driver knows.

    application: its id
    driver: host:port that its executors must reach
    cores: that each executor wants, or 0 for all that a worker gives
    most: cores that the application takes at most, or 0 for all
    """

    application: str
    driver: str
    cores: int = 0
    most: int = 0


def explain(master: Master, request: Request, page: str) -> Problem:
    """Say why there is no executor yet.

    page: where a person opens the master's page
    """
    asked = master.application(request.application)
    if master.status != "ALIVE":
        return Problem(f"The master {master.url} is {master.status}.", "Wait until it is ALIVE, or start the cluster anew.")
    if not master.alive:
        return Problem(
            f"No worker is alive on {master.url}.", "Start workers: `make up`, or `inferlab cluster up` without containers."
        )
    if asked is None or asked not in master.applications:
        state = f" ({asked.state})" if asked else ""
        return Problem(
            f"The master {master.url} has dropped this application{state}: its executors failed, or the driver was not heard.",
            f"Look into the logs of its executors on {page}, and start the session anew.",
        )
    if asked.cores:
        return Problem(
            f"The master has given this application {_cores(asked.cores)}, but no executor has reached the driver at"
            f" {request.driver}.",
            "Set spark.driver.host to an address of this machine that the workers can open; their logs are on"
            f" {page}/app/?appId={asked.id}.",
        )
    return _impossible(master.alive, asked, request) or _taken(master, asked, page)


def _impossible(workers: tuple[Worker, ...], asked: Application, request: Request) -> Problem | None:
    """What no worker could ever give."""
    gpus = max(len(worker.gpus) for worker in workers)
    if asked.gpus > gpus:
        return Problem(
            f"Each executor wants {asked.gpus} GPU, and no worker has {'one' if not gpus else f'more than {gpus}'}.",
            "Start workers with GPUs (COMPOSE_PROFILES=gpu), or leave spark.executor.resource.gpu.amount out.",
        )
    memory = max(worker.memory for worker in workers)
    if asked.memory > memory:
        return Problem(
            f"Each executor wants {asked.memory / GIB:.1f} GiB, and no worker has more than {memory / GIB:.1f} GiB.",
            f"Set spark.executor.memory to {memory // 2**20}m or less, or give the workers more (SPARK_WORKER_MEMORY).",
        )
    cores = max(worker.cores for worker in workers)
    if request.cores > cores:
        return Problem(
            f"Each executor wants {_cores(request.cores)}, and no worker has more than {cores}.",
            f"Set spark.executor.cores to {cores} or less.",
        )
    if request.most and request.cores > request.most:
        return Problem(
            f"Each executor wants {_cores(request.cores)}, and the application takes no more than {request.most}.",
            f"Set spark.cores.max to {request.cores} or more.",
        )
    return None


def _taken(master: Master, asked: Application, page: str) -> Problem:
    """What others hold."""
    holders = master.holders(but=asked.id)
    if not holders:
        return Problem(f"The master {master.url} has given nothing yet.", f"Look at {page}, and start the session anew.")
    fitting = [worker for worker in master.alive if worker.free]
    if not fitting:
        what = f"All {_cores(master.cores)} of the cluster are taken"
    elif all(worker.memory_free < asked.memory for worker in fitting):
        what = f"{_cores(master.free)} free, but on workers whose memory is taken"
    elif all(len(worker.gpus) - len(worker.gpus_used) < asked.gpus for worker in fitting):
        what = "All GPUs of the workers with free cores are taken"
    else:
        what = f"{_cores(master.free)} free, but no worker has enough left for one executor"
    return Problem(f"{what}: {told(holders)}.", release(holders, page))


def told(holders: Iterable[Application]) -> str:
    """Who holds what, and since when."""
    return "; ".join(str(holder) for holder in holders)


def release(holders: Iterable[Application], page: str) -> str:
    """How the cores that others hold become free."""
    pages = ", ".join(f"{page}/app/?appId={holder.id}" for holder in holders)
    return (
        "Shut the other notebook down (JupyterLab: Running Terminals and Kernels, Shut Down), or wait until it has ended;"
        f" what it does is on {pages}."
    )


def _cores(count: int) -> str:
    return f"{count} core" if count == 1 else f"{count} cores"
