"""The cluster of docker-compose.yaml, started as a user starts it, in a project, a storage and ports of its own.

Everything a run makes is removed at its end: containers, network, volumes, files. The images stay, as Docker's cache does.
"""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
UID = os.getuid() or 1000  # what spark/bin/compose.sh chooses
SCRIPTS = Path(__file__).parent / "scripts"


def pytest_collection_modifyitems(items) -> None:
    """A build, a start and a training come before the first test."""
    for item in items:
        item.add_marker(pytest.mark.timeout(1500))


def wait_until(holds: Callable[[], bool], seconds: float, what: str) -> None:
    """Look again and again until something holds; fails with `what` when it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.3)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Cluster:
    """One Compose project."""

    def __init__(self, folder: Path):
        self.project = f"inferlab-test-{uuid.uuid4().hex[:8]}"
        self.storage, self.notebooks = folder / "storage", folder / "notebooks"
        self.port, self.spark_port = free_port(), free_port()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("LAB_", "SPARK_", "INFERLAB_"))},
            "COMPOSE_PROJECT_NAME": self.project,
            "LAB_STORAGE": str(self.storage),
            "LAB_NOTEBOOKS": str(self.notebooks),
            "LAB_PORT": str(self.port),
            "LAB_SPARK_PORT": str(self.spark_port),
            "LAB_UID": str(UID),
            "LAB_JUPYTER_LIMIT": "12g",  # embedded Sparks run in there too, to compare with
        }
        self.first_logs = self.address = ""

    def up(self) -> None:
        """`make up`."""
        self.storage.mkdir()
        shutil.copytree(ROOT / "notebooks", self.notebooks)
        done = self._run(["make", "--no-print-directory", "up"])
        assert done.returncode == 0, f"make up failed:\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}"
        self.first_logs = self.compose("logs", "--no-log-prefix", "--no-color")
        self.address = next(word for word in done.stdout.split() if "token=" in word)

    def down(self) -> None:
        """Leave nothing: no container, no volume, no file."""
        self.compose("--profile", "gpu", "down", "--volumes", "--remove-orphans", "--timeout", "5")

    def compose(self, *words: str, check: bool = True, given: str | None = None, timeout: float = 600, **settings: str) -> str:
        """Run docker compose; returns what it printed."""
        done = self._run(["docker", "compose", *words], given, timeout, settings)
        assert not check or done.returncode == 0, f"{' '.join(words[:4])}:\n{done.stdout[-1500:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def python(
        self, script: str, *arguments: str, service: str = "jupyterlab", check: bool = True, timeout: float = 600
    ) -> str:
        """Run a file of scripts/ in a service; returns what it printed."""
        words = ["exec", "-T", service, "python", "-", *arguments]
        return self.compose(*words, given=(SCRIPTS / script).read_text(), check=check, timeout=timeout)

    def python_in_background(self, script: str, *arguments: str) -> subprocess.Popen:
        """Start a file of scripts/ in JupyterLab's container; it is read line by line and ends when its input is closed."""
        words = ["docker", "compose", "exec", "-T", "jupyterlab", "python", "-c", (SCRIPTS / script).read_text(), *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(words, cwd=ROOT, env=self.environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def containers(self, service: str) -> list[str]:
        """Names of the containers of a service, in the order of their numbers."""
        told = self.compose("ps", "--all", "--format", "json", service)
        return sorted(json.loads(line)["Name"] for line in told.splitlines())

    def inspect(self, container: str) -> dict[str, Any]:
        """What the engine knows of a container."""
        done = subprocess.run(["docker", "inspect", container], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)[0]

    def health(self, container: str) -> str:
        return self.inspect(container)["State"]["Health"]["Status"]

    def wait_healthy(self, service: str, count: int, seconds: float = 120) -> None:
        def healthy() -> bool:
            found = self.containers(service)
            return len(found) == count and all(self.health(name) == "healthy" for name in found)

        wait_until(healthy, seconds, f"{count} healthy {service}")

    def page(self, path: str) -> tuple[int, str]:
        """GET one of Spark's pages through the one port, as a browser on the host does."""
        return get(f"http://127.0.0.1:{self.spark_port}{path}")

    def master(self) -> dict[str, Any]:
        return json.loads(self.page("/json/")[1])

    def _run(self, words, given=None, timeout: float = 1200, settings=None) -> subprocess.CompletedProcess:
        environment = {**self.environment, **(settings or {})}
        return subprocess.run(
            words, cwd=ROOT, env=environment, input=given, capture_output=True, text=True, timeout=timeout, check=False
        )


def get(address: str) -> tuple[int, str]:
    """Status and text of an address; redirections are followed."""
    try:
        with urllib.request.urlopen(address, timeout=20) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


@pytest.fixture(scope="session")
def engine() -> None:
    if not shutil.which("docker") or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.skip("there is no Docker engine: nothing of docker-compose.yaml is tested")


@pytest.fixture(scope="session")
def cluster(engine) -> Iterator[Cluster]:
    # Not pytest's own folder, which is closed to others: the containers' user must be able to remove what is in it.
    with tempfile.TemporaryDirectory(prefix="inferlab-compose-") as folder:
        Path(folder).chmod(0o755)
        started = Cluster(Path(folder))
        try:
            started.up()
            yield started
        finally:
            started.down()
