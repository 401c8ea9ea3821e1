"""Two notebooks compute at the same time; a third is told who holds the cores. Tasks spread over all machines."""

import json

from .conftest import SCRIPTS, Cluster


def test_the_second_notebook_computes_and_the_third_is_told_who_holds_the_cores(cluster: Cluster):
    first, second = (cluster.python_in_background("hold.py", name) for name in ("01_first.ipynb", "02_second.ipynb"))
    try:
        for holder in (first, second):
            told = json.loads(holder.stdout.readline())
            assert (told["cores"], told["total"]) == (2, 4950)
        third = json.loads(cluster.python("hold.py", "03_third.ipynb").splitlines()[-1])
        assert "01_first.ipynb" in third["refused"]
        assert "02_second.ipynb" in third["refused"]
        assert third["seconds"] < 45
    finally:
        first.communicate("")
        second.communicate("")
    assert json.loads(cluster.python("hosts.py").splitlines()[-1])  # the cores are free again


def test_three_workers_share_the_tasks(cluster: Cluster):
    try:
        cluster.compose("up", "--detach", "--wait", "--no-recreate", "--scale", "spark-worker=3")
        seen = json.loads(cluster.python("hosts.py").splitlines()[-1])
        assert len({task["host"] for task in seen}) == 3
    finally:
        cluster.compose("up", "--detach", "--wait", "--no-recreate")
    cluster.wait_healthy("spark-worker", 2)


def test_made_up_gpus_are_handed_out_by_the_real_mechanism(cluster: Cluster):
    try:
        cluster.compose("up", "--detach", "--wait", "spark-worker", LAB_PRETEND_GPUS="2")
        seen = json.loads(cluster.python("hosts.py", "0.5").splitlines()[-1])
        assert {address for task in seen for address in task["gpus"]} <= {"0", "1"}
        assert all(len(task["gpus"]) == 1 for task in seen)
        words = ["exec", "-T", "-e", "LAB_GPU_SHARE=0.5", "jupyterlab", "python", "-"]
        unasked = json.loads(cluster.compose(*words, given=(SCRIPTS / "hosts.py").read_text()).splitlines()[-1])
        # Two cores a worker are two tasks that share the one GPU of its executor.
        assert sorted(task["gpus"] for task in unasked) == [["0"]] * 24
        assert len({task["host"] for task in unasked}) == 2
    finally:
        cluster.compose("up", "--detach", "--wait", "spark-worker")
    assert json.loads(cluster.python("hosts.py").splitlines()[-1])[0]["gpus"] == []
