"""The engine is asked what the containers may do, and the network who may come in."""

import json
import subprocess

import pytest

from .conftest import SCRIPTS, UID

SERVICES = ("spark-master", "spark-worker", "jupyterlab", "samples")


@pytest.mark.parametrize("service", SERVICES)
def test_containers_may_do_little(cluster, service):
    for name in cluster.containers(service):
        seen = cluster.inspect(name)
        host = seen["HostConfig"]
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert not host["CapAdd"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert host["Memory"] > 0
        assert host["PidsLimit"] == 4096
        assert not host["Privileged"]
        assert seen["Config"]["User"] == "lab"
        assert seen["Path"] == "tini"


@pytest.mark.parametrize("service", ["spark-master", "spark-worker", "jupyterlab"])
def test_processes_run_as_the_user_without_capabilities_on_a_root_that_is_read_only(cluster, service):
    script = "id -u; grep CapEff /proc/1/status; touch /opt/lab/x 2>&1; touch /x 2>&1; touch /tmp/x && echo tmp"
    uid, capabilities, lab, root, temporary = cluster.compose("exec", "-T", service, "sh", "-c", script).splitlines()
    assert int(uid) == UID
    assert int(capabilities.split()[1], 16) == 0
    assert "Read-only file system" in lab
    assert "Read-only file system" in root
    assert temporary == "tmp"


def test_no_port_is_open_on_anything_but_loopback(cluster):
    published = {}
    for service in SERVICES:
        for name in cluster.containers(service):
            for port, places in (cluster.inspect(name)["NetworkSettings"]["Ports"] or {}).items():
                for place in places or []:
                    published[service, port] = (place["HostIp"], int(place["HostPort"]))
    assert published == {
        ("spark-master", "8080/tcp"): ("127.0.0.1", cluster.spark_port),
        ("jupyterlab", "8888/tcp"): ("127.0.0.1", cluster.port),
    }


def test_jobs_cannot_be_submitted_over_rest(cluster):
    script = "import socket, sys; print([socket.socket().connect_ex(('spark-master', p)) for p in (6066, 7077)])"
    refused, accepted = json.loads(cluster.compose("exec", "-T", "jupyterlab", "python", "-c", script))
    assert refused == 111  # ECONNREFUSED
    assert accepted == 0


def test_a_driver_without_the_secret_is_not_let_in(cluster):
    image = cluster.inspect(cluster.containers("spark-master")[0])["Config"]["Image"]
    words = ["docker", "run", "--rm", "-i", "--network", f"{cluster.project}_default", "-e", "SPARK_CONF_DIR=/tmp"]
    words += [image, "python", "-"]
    script = (SCRIPTS / "intrude.py").read_text()
    done = subprocess.run(words, input=script, capture_output=True, text=True, timeout=300, check=False)
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["in"] is False, told
    names = [app["name"] for app in cluster.master()["activeapps"] + cluster.master()["completedapps"]]
    assert "intruder" not in names


def test_the_secret_is_long_and_for_its_owner_only(cluster):
    script = "stat -c '%a %u' /run/spark-secret/secret; wc -c < /run/spark-secret/secret; touch /run/spark-secret/x 2>&1"
    rights, length, denied = cluster.compose("exec", "-T", "spark-worker", "sh", "-c", f"{script}; true").splitlines()
    assert rights == f"600 {UID}"
    assert int(length) == 64
    assert "Read-only" in denied
    command_lines = cluster.compose("exec", "-T", "spark-worker", "ps", "-eo", "args")
    secret = cluster.compose("exec", "-T", "spark-worker", "cat", "/run/spark-secret/secret").strip()
    assert secret not in command_lines


def test_a_storage_that_may_not_be_written_is_a_sentence(cluster, tmp_path):
    image = cluster.inspect(cluster.containers("samples")[0])["Config"]["Image"]
    (tmp_path / "storage").mkdir()
    (tmp_path / "storage").chmod(0o555)
    words = ["docker", "run", "--rm", "--volume", f"{tmp_path}/storage:/lab/share_storages", image]
    done = subprocess.run([*words, "python", "-m", "inferlab.samples"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"User {UID} may not write /lab/share_storages/results; the storage belongs to user ")
    assert "Traceback" not in done.stderr
