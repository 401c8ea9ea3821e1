"""A cluster of real processes: it starts, computes, is seen, ends, and leaves nothing behind."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from inferlab import cli, daemon, master, secret, standalone
from inferlab.errors import Problem

JOB = """
import json
import pyarrow as pa
from inferlab import cluster

def look(batches):
    from pyspark import TaskContext
    for _ in batches:
        yield pa.RecordBatch.from_pydict({"seen": [TaskContext.get().resources()["gpu"].addresses[0]]})

wanted = {"spark__executor__resource__gpu__amount": "1", "spark__task__resource__gpu__amount": "0.5"}
spark = cluster.session(spark__executor__memory="600m", **wanted)
print(json.dumps([row.seen for row in spark.range(0, 8, 1, 8).mapInArrow(look, "seen string").collect()]))
"""


@pytest.fixture
def storage_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("INFERLAB_STORAGE", str(tmp_path))
    monkeypatch.delenv(secret.PLACE, raising=False)
    yield tmp_path
    standalone.down()


def told(capsys, *words: str) -> tuple[int, dict]:
    code = cli.main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_cluster_starts_computes_and_ends_by_command(storage_of_its_own, capsys):
    code, started = told(capsys, "cluster", "up", "--workers", "1", "--cores", "2", "--pretend-gpus", "2")
    assert code == 0
    code, status = told(capsys, "cluster", "status")
    assert (code, status["status"], status["workers"], status["free"]) == (0, "ALIVE", 1, 2)
    environment = {**os.environ, "SPARK_MASTER": started["master"]}
    done = subprocess.run(
        [sys.executable, "-c", JOB], env=environment, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert set(json.loads(done.stdout.splitlines()[-1])) <= {"0", "1"}

    code, refused = told(capsys, "cluster", "up")
    assert code == 2
    assert refused["error"]["what"] == f"A cluster runs already: {started['master']}."

    assert told(capsys, "cluster", "down") == (0, {"ended": True})
    assert told(capsys, "cluster", "down") == (0, {"ended": False})
    assert told(capsys, "cluster", "status")[0] == 2
    assert not any(alive(pid) for pid in started["pids"])


def test_a_cluster_listens_on_the_loopback_interface_only_and_not_for_rest(storage_of_its_own):
    with standalone.running(workers=1) as cluster:
        seen = {address for pid in cluster.pids for address in listening(pid)}
        assert {port for _, port in seen} >= {int(cluster.url.rpartition(":")[2]), int(cluster.page.rpartition(":")[2])}
        assert {host for host, _ in seen} == {"127.0.0.1"}
        assert not [port for _, port in seen if port == 6066]
        assert secret.file().stat().st_mode & 0o777 == 0o600
        line = subprocess.run(
            ["ps", "-ww", "-o", "args=", "-p", str(cluster.pids[0])], capture_output=True, text=True, check=True
        )
        assert secret.file().read_text() not in line.stdout
        logs = "".join(file.read_text() for file in (storage_of_its_own / "logs").glob("cluster-*.log"))
        assert "Starting Spark worker" in logs
        assert [line for line in logs.splitlines() if re.search("WARN|ERROR|Exception", line)] == []


def test_a_cluster_whose_master_was_killed_is_cleared_away_by_the_next(storage_of_its_own):
    first = standalone.up(workers=1)
    os.kill(first.pids[0], signal.SIGKILL)
    os.waitpid(first.pids[0], 0)
    assert standalone.find() is None
    with standalone.running(workers=1) as second:
        assert not alive(first.pids[1])
        assert master.ask(second.page).status == "ALIVE"


def test_a_daemon_that_cannot_start_is_a_problem_and_leaves_no_process(storage_of_its_own):
    with pytest.raises(Problem, match=r"The workers did not start"):
        standalone.up(workers=1, memory="nonsense")
    assert standalone.find() is None
    assert "org.apache.spark.deploy.master.Master --host 127.0.0.1" not in processes_of(storage_of_its_own)


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"cores": 0}, {"pretend_gpus": -1}])
def test_a_cluster_that_cannot_be_is_refused(storage_of_its_own, wrong):
    with pytest.raises(Problem, match="cannot be"):
        standalone.up(**wrong)


def test_a_worker_that_is_to_have_gpus_and_finds_none_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))  # no nvidia-smi
    with pytest.raises(Problem, match="nvidia-smi finds none"):
        daemon.gpu_settings({"INFERLAB_GPUS": "all"})
    assert daemon.gpu_settings({}) == {}


def test_the_discovery_script_tells_what_nvidia_smi_lists(tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nprintf '0\\n1\\n'\n")
    program.chmod(0o755)
    found = subprocess.run(
        [sys.executable, daemon.DISCOVERY],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(found.stdout) == {"name": "gpu", "addresses": ["0", "1"]}


def alive(pid: int) -> bool:
    return standalone._is_daemon(pid)


def processes_of(storage) -> str:
    """Command lines of daemons whose environment names a storage."""
    every = subprocess.run(["ps", "-ewwo", "pid=,args="], capture_output=True, text=True, check=True).stdout.splitlines()
    mine = [line for line in every if "org.apache.spark.deploy" in line and str(storage).encode() in environ(line.split()[0])]
    return "\n".join(mine)


def environ(pid: str) -> bytes:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read()
    except OSError:
        return b""


def listening(pid: int) -> set[tuple[str, int]]:
    """(address, port) of the sockets on which a process waits for others. psutil reads /proc as `ss` does."""
    import psutil

    return {
        (c.laddr.ip.removeprefix("::ffff:"), c.laddr.port)
        for c in psutil.Process(pid).net_connections()
        if c.status == "LISTEN"
    }
