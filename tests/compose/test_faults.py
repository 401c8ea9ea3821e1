"""A worker killed in the middle of a job, a master that goes and comes back."""

import json
import subprocess

import pytest

from .conftest import wait_until

COPIES = "8"


@pytest.fixture(scope="module")
def quiet(cluster) -> dict:
    """What is computed when nothing happens, by an embedded Spark: no cluster, the same answers."""
    words = ["exec", "-T", "-e", "SPARK_MASTER=local[2]", "jupyterlab", "python", "-", COPIES]
    from .conftest import SCRIPTS

    return json.loads(cluster.compose(*words, given=(SCRIPTS / "score.py").read_text()).splitlines()[-1])


def test_the_cluster_answers_as_an_embedded_spark_does(cluster, quiet):
    told = json.loads(cluster.python("score.py", COPIES).splitlines()[-1])
    assert told["rows"] == quiet["rows"] == 8000
    assert told["digest"] == quiet["digest"]
    assert len(told["hosts"]) == 2


def test_a_worker_killed_in_the_middle_of_a_job_costs_nothing_but_time(cluster, quiet):
    job = cluster.python_in_background("score.py", COPIES)
    try:
        for line in job.stdout:
            told = json.loads(line)
            assert told.get("done", 1) < 1, "the job was over before the worker could be killed"
            if told["done"] >= 0.2:
                break
        subprocess.run(["docker", "kill", "--signal", "KILL", cluster.containers("spark-worker")[0]], check=True)
        told = json.loads(job.communicate(timeout=300)[0].splitlines()[-1])
    finally:
        job.kill()
        cluster.compose("up", "--detach", "--wait")
    assert told["rows"] == quiet["rows"]
    assert told["digest"] == quiet["digest"]


def test_a_worker_is_unhealthy_without_its_master_and_healthy_when_it_is_back(cluster):
    workers = cluster.containers("spark-worker")
    cluster.compose("stop", "spark-master")
    try:
        wait_until(lambda: all(cluster.health(name) == "unhealthy" for name in workers), 120, "unhealthy workers")
    finally:
        cluster.compose("start", "spark-master")
    cluster.wait_healthy("spark-worker", 2)
    assert cluster.containers("spark-worker") == workers
    assert {task["host"] for task in json.loads(cluster.python("hosts.py").splitlines()[-1])}
