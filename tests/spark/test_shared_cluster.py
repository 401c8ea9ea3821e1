"""Notebooks share a real cluster: each takes its part, and one that gets nothing says who has it and how that ends."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inferlab import master, shares, standalone
from inferlab.errors import Problem

pytestmark = pytest.mark.timeout(240)


class Notebook:
    """A process with one session at a time, as a kernel has it."""

    def __init__(self, url: str, name: str, patience: float = 3, starting: float = 30, **environment: str):
        job = Path(__file__).with_name("shared_cluster_job.py")
        self.process = subprocess.Popen(
            [sys.executable, job, url, str(patience), str(starting)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "JPY_SESSION_NAME": f"/lab/notebooks/{name}" if name else "", **environment},
        )  # fmt: skip

    def session(self, **settings: str) -> dict:
        self.process.stdin.write(json.dumps(settings) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


@pytest.fixture(scope="module")
def url(storage_folder) -> Iterator[str]:
    """Two workers of two cores, each with a GPU that is made up."""
    with standalone.running(workers=2, cores=2, memory="2g", pretend_gpus=1) as running:
        yield running.url


@pytest.fixture
def open_notebook(url) -> Iterator[Callable[..., Notebook]]:
    opened = []

    def open_one(*words, **told) -> Notebook:
        opened.append(Notebook(url, *words, **told))
        return opened[-1]

    yield open_one
    for notebook in opened:
        notebook.close()
    deadline = time.monotonic() + 30
    while (now := master.ask(master.page(url))).free < now.cores:  # the next test finds the cluster as this one did
        assert time.monotonic() < deadline, f"{now.holders()} still hold cores"
        time.sleep(0.1)


def test_two_notebooks_work_side_by_side_and_the_third_is_told_who_has_the_cores(url, open_notebook):
    first, second = open_notebook("01_load.ipynb"), open_notebook("02_weights.ipynb")
    got = [first.session(), second.session()]
    for told, name in zip(got, ("01_load.ipynb", "02_weights.ipynb"), strict=True):
        assert told["executors"] == [1, 1]  # half of the four cores, spread over both workers
        assert (told["name"], told["slots"], told["sum"], told["why"]) == (name, 2, 28, "")
        assert told["page"] == f"{master.page(url)}/proxy/{told['id']}/"
        assert told["shown"]

    third = open_notebook("03_row.ipynb")
    refused = third.session()
    assert refused["what"].startswith("All 4 cores of the cluster are taken: ")
    for told in got:
        assert f"{told['name']} ({told['id']}) has held 2 cores for " in refused["what"]
        assert f"{master.page(url)}/app/?appId={told['id']}" in refused["cure"]
    assert "Running Terminals and Kernels, Shut Down" in refused["cure"]

    second.close()  # what the cure says
    assert third.session()["sum"] == 28


def test_a_notebook_may_take_all_and_the_doctor_then_says_so_and_exits_with_2(url, open_notebook):
    greedy = open_notebook("greedy.ipynb")
    assert sum(greedy.session(spark__cores__max="4")["executors"]) == 4
    told, code = examined(url)
    assert code == 2
    assert told["findings"][0]["check"] == "session"
    assert "greedy.ipynb" in told["findings"][0]["found"]
    assert "Shut Down" in told["findings"][0]["cure"]
    assert [finding["check"] for finding in told["findings"] if not finding["ok"]] == ["session"]


def test_the_share_is_smaller_where_more_notebooks_are_to_work_at_once(open_notebook):
    assert open_notebook("", LAB_NOTEBOOKS_AT_ONCE="4").session()["executors"] == [1]


def test_what_the_cluster_could_never_give_is_said_with_what_it_has(open_notebook):
    notebook = open_notebook("", patience=2)
    told = notebook.session(spark__executor__memory="5g")
    assert told["what"] == "Each executor wants 5.0 GiB, and no worker has more than 2.0 GiB."
    assert "spark.executor.memory to 2048m or less" in told["cure"]
    told = notebook.session(spark__executor__cores="3", spark__cores__max="4")
    assert told["what"] == "Each executor wants 3 cores, and no worker has more than 2."
    told = notebook.session(spark__executor__cores="2", spark__cores__max="1")
    assert told["what"] == "Each executor wants 2 cores, and the application takes no more than 1."
    told = notebook.session(spark__executor__resource__gpu__amount="2")
    assert told["what"] == "Each executor wants 2 GPU, and no worker has more than 1."
    assert notebook.session()["sum"] == 28  # and the process can still have a session


def test_a_driver_that_executors_cannot_reach_is_named(open_notebook):
    told = open_notebook("", patience=5, starting=8).session(spark__driver__host="192.0.2.7")  # an address for documentation
    assert "but no executor has reached the driver at 192.0.2.7:" in told["what"]
    assert "spark.driver.host" in told["cure"]


def test_the_doctor_asks_every_executor_of_a_cluster(url):
    told, code = examined(url)
    found = {finding["check"]: finding["found"] for finding in told["findings"]}
    assert (code, told["fit"]) == (0, True), found
    assert found["workers"] == "2 Python workers of 2 executors on 1 machine answer"
    assert "executors: 2 on 2 workers; 2 of the cluster's 4 cores are left" in found["slots"]
    assert found["gpus"] == "none, and none is needed"


def test_gpus_that_are_made_up_are_said_to_be(url):
    code = (
        "import sys; from inferlab import cluster, doctor; gpu = {'spark__executor__resource__gpu__amount': '1',"
        " 'spark__task__resource__gpu__amount': '1'};"
        " print(doctor.report(doctor.examine(cluster.session(sys.argv[1], **gpu))))"
    )
    ran = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True, timeout=120, check=True)
    told = next(line for line in ran.stdout.splitlines() if " gpus " in line)
    assert told.startswith("ok")
    assert "0: made up (INFERLAB_PRETEND_GPUS)" in told


def examined(url: str) -> tuple[dict, int]:
    """What `inferlab doctor --json` says, and its exit code. It has a minute."""
    ran = subprocess.run(
        [sys.executable, "-m", "inferlab.cli", "doctor", "--json", "--master", url],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return json.loads(ran.stdout.splitlines()[-1]), ran.returncode


@pytest.mark.parametrize(
    ("cores", "at_once", "share"), [(4, "", 2), (3, "2", 2), (1, "2", 1), (8, "3", 3), (0, "2", 1), (4, "1", 4)]
)
def test_a_share_is_rounded_up_and_at_least_one_core(monkeypatch, cores, at_once, share):
    monkeypatch.setenv("LAB_NOTEBOOKS_AT_ONCE", at_once)
    assert shares.cores(cores) == share


@pytest.mark.parametrize("told", ["0", "many", "-1"])
def test_a_share_of_no_number_is_a_problem(monkeypatch, told):
    monkeypatch.setenv("LAB_NOTEBOOKS_AT_ONCE", told)
    with pytest.raises(Problem, match="LAB_NOTEBOOKS_AT_ONCE"):
        shares.cores(4)
