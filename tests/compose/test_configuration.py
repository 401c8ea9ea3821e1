"""What docker-compose.yaml says, before anything runs."""

import json
import re
import subprocess

import pytest

from .conftest import ROOT

EXAMPLE = (ROOT / ".env.example").read_text()
COMPOSE = (ROOT / "docker-compose.yaml").read_text()


@pytest.fixture(scope="module")
def config(engine):
    def read(*words: str) -> dict:
        words = ["docker", "compose", *words, "config", "--format", "json"]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stderr == ""  # no warning
        return json.loads(done.stdout)

    return read


def test_a_machine_without_a_gpu_never_sees_the_gpu_worker(config):
    assert set(config()["services"]) == {"spark-master", "spark-worker", "samples", "jupyterlab"}


def test_the_gpu_worker_asks_for_all_gpus_and_for_tensorflow_with_cuda(config):
    worker = config("--profile", "gpu")["services"]["spark-worker-gpu"]
    (device,) = worker["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["count"], device["capabilities"]) == ("nvidia", -1, ["gpu"])
    assert worker["build"]["args"]["LOCK"] == "requirements-gpu.lock"
    assert worker["environment"]["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    assert "tensorflow" in (ROOT / "requirements-gpu.lock").read_text()


def test_every_port_is_published_on_the_loopback_interface_only(config):
    ports = [port for service in config()["services"].values() for port in service.get("ports", [])]
    assert sorted((port["host_ip"], port["target"]) for port in ports) == [("127.0.0.1", 8080), ("127.0.0.1", 8888)]


def test_only_the_cluster_mounts_the_secret(config):
    mounts = {
        name: [volume for volume in service.get("volumes", []) if volume["source"] == "secret"]
        for name, service in config("--profile", "gpu")["services"].items()
    }
    assert mounts["samples"] == []
    assert "read_only" not in mounts["spark-master"][0]
    assert all(mounts[name][0]["read_only"] for name in ("spark-worker", "spark-worker-gpu", "jupyterlab"))


def test_everything_that_can_be_set_is_explained_with_its_default():
    used = dict(re.findall(r"\$\{([A-Z_]+):-([^}]*)\}", COMPOSE))
    explained = dict(re.findall(r"^#([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE))
    assert used.keys() == explained.keys()
    assert {name: value.strip("'") for name, value in explained.items()} == used


def test_a_plain_copy_of_the_example_changes_nothing(config, tmp_path):
    (tmp_path / "env").write_text(EXAMPLE)
    assert config("--env-file", str(tmp_path / "env")) == config()
