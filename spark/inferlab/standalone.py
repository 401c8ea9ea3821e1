"""A standalone cluster as processes on this machine: one master, some workers, all on the loopback interface.

It is the cluster of Compose without containers: the same daemons, the same settings, a secret of its own. What runs is noted
in the storage, so that another process can say so or end it. This module knows no sessions.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from inferlab import daemon, master, secret, storage
from inferlab.errors import Problem

HOST = "127.0.0.1"
PATIENCE = 60  # seconds until every worker has registered: 4 on a quiet machine
GRACE = 10  # seconds to end before being killed


@dataclass(frozen=True)
class Cluster:
    """A cluster that was started here.

    memory: what the executors of one worker may take together, as Spark writes it: "2g"
    pids: of the master and then of the workers
    """

    url: str
    workers: int
    cores: int
    memory: str
    pretend_gpus: int
    pids: tuple[int, ...]

    @property
    def page(self) -> str:
        """Where the master shows the cluster, and through one port every worker and application."""
        return master.page(self.url)


def up(workers: int = 2, cores: int = 1, memory: str = "2g", pretend_gpus: int = 0) -> Cluster:
    """Start a master and its workers, and wait until all have registered.

    pretend_gpus: made-up GPU addresses in each worker, for rehearsing how Spark hands them out
    Raises `Problem` when a cluster runs already, or a daemon ends before it is ready.
    """
    if workers < 1 or cores < 1 or pretend_gpus < 0:
        raise Problem(
            f"{workers} workers with {cores} cores and {pretend_gpus} GPUs cannot be.", "Give 1 or more of the first two."
        )
    if running := find():
        raise Problem(f"A cluster runs already: {running.url}.", "Use it, or end it first: inferlab cluster down.")
    down()  # what a crash may have left
    step = next(step for step in range(100) if _free(master.PORT + step) and _free(master.PAGE_PORT + step))
    port, page_port = master.PORT + step, master.PAGE_PORT + step
    url, folder = f"spark://{HOST}:{port}", _folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    secret.make()
    pids: list[int] = []

    def start(role: str, *words: str, settings: dict[str, str] | None = None) -> None:
        pids.append(_start(role, len(pids), words, settings or {}, pretend_gpus))

    try:
        ports = ("--port", str(port), "--webui-port", str(page_port))
        # A port that somebody takes in this moment is an end, and not a reason to be found elsewhere.
        start("master", "--host", HOST, *ports, settings={"spark.port.maxRetries": "0"})
        _wait(lambda: (told := master.ask(master.page(url))).status == "ALIVE" and told.url == url, pids, "master")
        gpus = daemon.gpu_settings({daemon.PRETENDED: str(pretend_gpus)})
        for number in range(workers):
            work = ("--work-dir", str(folder / "work" / str(number)), "--webui-port", "0", "--host", HOST)
            start("worker", *work, "--cores", str(cores), "--memory", memory, url, settings=gpus)
        _wait(lambda: len(master.ask(master.page(url)).workers) == workers, pids, "workers")
    except BaseException:
        _end(pids)
        raise
    cluster = Cluster(url, workers, cores, memory, pretend_gpus, tuple(pids))
    storage.write_whole(_note(), json.dumps(asdict(cluster), indent=1))
    return cluster


def down() -> bool:
    """End the cluster that runs here. Returns whether there was one."""
    noted = _noted()
    was_running = noted is not None and _is_daemon(noted.pids[0])
    if noted:
        _end(noted.pids)  # workers may have outlived their master
    _note().unlink(missing_ok=True)
    shutil.rmtree(_folder() / "work", ignore_errors=True)
    return was_running


def find() -> Cluster | None:
    """The cluster that was started here and whose master still runs, or None."""
    noted = _noted()
    return noted if noted and _is_daemon(noted.pids[0]) else None


@contextlib.contextmanager
def running(**options) -> Iterator[Cluster]:
    """A cluster for the length of a block; see `up` for the options."""
    cluster = up(**options)
    try:
        yield cluster
    finally:
        down()


def for_this_process(**options) -> Cluster:
    """A cluster that ends when this process does, however that comes about; see `up` for the options.

    Asked again, as by a notebook that failed half-way, it first ends the one that this process has started, and no other.
    Raises `Problem` when another process has started a cluster here.
    """
    while _guards:
        _guards.pop().communicate()
    cluster, quiet = up(**options), subprocess.DEVNULL
    line = [sys.executable, "-c", GUARD, repr(cluster)]
    guard = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True)
    _guards.append(guard)
    return cluster


# `atexit` would not do: a kernel that has a Spark is killed before it comes to that.
GUARD = """
import sys
sys.stdin.read()  # until the other end closes, with the process that has it
from inferlab import standalone
if repr(standalone.find()) == sys.argv[1]:
    standalone.down()
"""
_guards: list[subprocess.Popen] = []


def _folder() -> Path:
    # Containers share the storage and not the processes, whose numbers mean nothing elsewhere.
    return storage.root() / ".cluster" / storage.host()


def _note() -> Path:
    return _folder() / "cluster.json"


def _noted() -> Cluster | None:
    if not _note().is_file():
        return None
    noted = json.loads(_note().read_text(encoding="utf-8"))
    return Cluster(**{**noted, "pids": tuple(noted["pids"])})


def _start(role: str, number: int, words: tuple[str, ...], settings: dict[str, str], pretend_gpus: int) -> int:
    line, environment = daemon.command(role, *words, settings=settings)
    environment |= {
        "SPARK_LOCAL_IP": HOST,  # else the pages would be served on every interface
        daemon.PRETENDED: str(pretend_gpus),
        "PYSPARK_PYTHON": sys.executable,
    }
    with _log(role, number).open("wb") as log:
        return subprocess.Popen(line, env=environment, stdout=log, stderr=log, start_new_session=True).pid


def _log(role: str, number: int) -> Path:
    file = storage.root() / "logs" / (f"cluster-{role}.log" if role == "master" else f"cluster-{role}-{number}.log")
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def _wait(ready: Callable[[], bool], pids: list[int], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(Problem):  # not up yet
            if ready():
                return
        if not all(_is_daemon(pid) for pid in pids):
            break
        time.sleep(0.1)
    logs = storage.root() / "logs"
    raise Problem(f"The {what} did not start within {PATIENCE} s, or ended.", f"The end of {logs}/cluster-*.log says why.")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) != 0


def _is_daemon(pid: int) -> bool:
    """Whether a process is a master or a worker: after a restart of the machine its number may be somebody else's."""
    told = subprocess.run(
        ["ps", "-ww", "-o", "stat=,args=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    # A driver is one of Spark's too, org.apache.spark.deploy.SparkSubmit, and must not be ended for a daemon.
    return any(name in told for name in daemon.CLASSES.values()) and not told.startswith("Z")


def _end(pids: tuple[int, ...] | list[int]) -> None:
    """Ask the workers and then the master to end, and insist after a while."""
    alive = [pid for pid in reversed(pids) if _is_daemon(pid)]
    for pid in alive:
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while (alive := [pid for pid in alive if _is_daemon(pid)]) and time.monotonic() < deadline:
        for pid in alive:
            with contextlib.suppress(ChildProcessError):  # another process started it
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.05)
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
