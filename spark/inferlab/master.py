"""What the master of a standalone cluster says of itself: its workers, its applications, and who holds which cores.

It is read from the page that the master shows to people, as JSON. This module starts no Spark and imports none of it, so that
whoever only wants to know, like a health check, pays nothing for the answer.
"""

import json
import os
import socket
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from inferlab.errors import Problem, first_line

PORT, PAGE_PORT = 7077, 8080  # Spark's own, and the distance that `inferlab cluster up` keeps between the two
MIB = 2**20

# A proxy of the network knows nothing of the cluster.
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


@dataclass(frozen=True)
class Worker:
    """One worker process.

    memory, memory_used: bytes, for executors; the worker itself needs some more
    gpus, gpus_used: addresses as Spark hands them out, like ("0", "1")
    """

    id: str
    host: str
    alive: bool
    cores: int
    used: int
    memory: int
    memory_used: int
    gpus: tuple[str, ...] = ()
    gpus_used: tuple[str, ...] = ()

    @property
    def free(self) -> int:
        """Cores that no application has; a dead worker has none."""
        return self.cores - self.used if self.alive else 0

    @property
    def memory_free(self) -> int:
        """Bytes that no executor has; a dead worker has none."""
        return self.memory - self.memory_used if self.alive else 0


@dataclass(frozen=True)
class Application:
    """One driver that has registered: a notebook, or a command.

    cores: that it holds now
    memory, gpus: what each of its executors takes: bytes, addresses
    state: RUNNING with at least one executor, WAITING with none yet
    started: when it registered, by the master's clock
    seconds: since then
    """

    id: str
    name: str
    user: str
    cores: int
    memory: int
    gpus: int
    state: str
    started: datetime
    seconds: float

    def __str__(self) -> str:
        count = f"{self.cores} core{'' if self.cores == 1 else 's'}"
        return f"{self.name} ({self.id}) has held {count} for {_lasting(self.seconds)}, since {self.started:%H:%M} UTC"


@dataclass(frozen=True)
class Master:
    """A master and all that it knows.

    status: ALIVE; STANDBY or RECOVERING where there is more than one master
    applications: that are registered now
    ended: that are not any more; their state says how it went: FINISHED, FAILED, KILLED
    """

    url: str
    status: str
    workers: tuple[Worker, ...] = ()
    applications: tuple[Application, ...] = ()
    ended: tuple[Application, ...] = field(default=(), repr=False)

    @property
    def alive(self) -> tuple[Worker, ...]:
        """The workers that can be given work."""
        return tuple(worker for worker in self.workers if worker.alive)

    @property
    def cores(self) -> int:
        """Cores of all living workers."""
        return sum(worker.cores for worker in self.alive)

    @property
    def free(self) -> int:
        """Cores that no application has."""
        return sum(worker.free for worker in self.alive)

    def holders(self, but: str = "") -> tuple[Application, ...]:
        """The applications that hold cores, the longest first, without the one whose id is `but`."""
        held = (application for application in self.applications if application.cores and application.id != but)
        return tuple(sorted(held, key=lambda application: application.started))

    def application(self, name: str) -> Application | None:
        """The application with an id, registered or ended."""
        return next((application for application in (*self.applications, *self.ended) if application.id == name), None)


def page(master_url: str) -> str:
    """Where the master's page is: as far from 8080 as the master's port is from 7077.

    "spark://127.0.0.1:7078" -> "http://127.0.0.1:8081"
    The environment knows better for the cluster that it names itself: `INFERLAB_MASTER_PAGE` with `SPARK_MASTER`.
    """
    told = os.environ.get("INFERLAB_MASTER_PAGE")
    if told and named_by_environment(master_url):
        return told.rstrip("/")
    host, port = addresses(master_url)[0]
    return f"http://{host}:{port - PORT + PAGE_PORT}"


def is_standalone(master_url: str) -> bool:
    """Whether a master URL names a standalone cluster, the only kind that has such a page."""
    return master_url.startswith("spark://")


def named_by_environment(master_url: str) -> bool:
    """Whether what the environment says of a cluster is about this one: `SPARK_MASTER` names no other."""
    return os.environ.get("SPARK_MASTER", "") in ("", master_url)


def addresses(master_url: str) -> list[tuple[str, int]]:
    """Hosts and ports of a master URL. "spark://a:7077,b:7077" names a master and the one that stands by.

    Raises `Problem` for anything else.
    """
    try:
        parts = [urlsplit(f"spark://{part}") for part in master_url.removeprefix("spark://").split(",")]
        return [(part.hostname or "", part.port or PORT) for part in parts]
    except ValueError as error:
        raise Problem(f"{master_url!r} names no master: {first_line(error)}.", "Write it like spark://HOST:7077.") from error


def reach(master_url: str, timeout: float = 3) -> None:
    """Ask whether anybody listens, which Spark would try for a minute. Raises `Problem` when nobody does."""
    said = []
    for host, port in addresses(master_url):
        try:
            socket.create_connection((host, port), timeout).close()
            return
        except OSError as error:
            said.append(f"{host}:{port}: {error.strerror or error}")
    raise Problem(
        f"No master listens at {master_url} ({'; '.join(said)}).",
        "Start the cluster (`make up`, or `inferlab cluster up` without containers), or leave SPARK_MASTER empty.",
    )


def ask(page_url: str, timeout: float = 2) -> Master:
    """Ask a master what it knows. Raises `Problem` when it does not answer in `timeout` seconds, or is no master."""
    address = f"{page_url.rstrip('/')}/json/"
    try:
        with _open(address, timeout=timeout) as answer:
            return _master(json.load(answer))
    except (OSError, ValueError, KeyError, TypeError) as error:
        said = f"{type(error).__name__}: {first_line(error)}" if isinstance(error, KeyError) else first_line(error)
        raise Problem(
            f"No Spark master answers at {address}: {said}.",
            "Start the cluster, or say where its page is: INFERLAB_MASTER_PAGE=http://HOST:8080.",
        ) from error


def _master(told: dict[str, Any]) -> Master:
    return Master(
        url=told["url"],
        status=told["status"],
        workers=tuple(_worker(worker) for worker in told["workers"]),
        applications=tuple(_application(application) for application in told["activeapps"]),
        ended=tuple(_application(application) for application in told["completedapps"]),
    )


def _worker(told: dict[str, Any]) -> Worker:
    return Worker(
        id=told["id"],
        host=told["host"],
        alive=told["state"] == "ALIVE",
        cores=told["cores"],
        used=told["coresused"],
        memory=told["memory"] * MIB,
        memory_used=told["memoryused"] * MIB,
        gpus=tuple(told["resources"].get("gpu", {}).get("addresses", ())),
        gpus_used=tuple(told["resourcesused"].get("gpu", {}).get("addresses", ())),
    )


def _application(told: dict[str, Any]) -> Application:
    return Application(
        id=told["id"],
        name=told["name"],
        user=told["user"],
        cores=told["cores"],
        memory=told["memoryperexecutor"] * MIB,
        gpus=sum(part["amount"] for part in told["resourcesperexecutor"] if part["name"] == "gpu"),
        state=told["state"],
        started=datetime.fromtimestamp(told["starttime"] / 1000, UTC),
        seconds=told["duration"] / 1000,
    )


def _lasting(seconds: float) -> str:
    """75 -> "1 min"; 12 -> "12 s"; 7,300 -> "2 h"."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"
