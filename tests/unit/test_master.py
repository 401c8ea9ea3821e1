"""A master says what it knows on its page; what is no master, or nothing at all, is a sentence."""

import http.server
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from inferlab import daemon, master, waiting
from inferlab.errors import Problem
from inferlab.master import Application, Master, Worker

pytestmark = pytest.mark.timeout(120)
GIB = 2**30


def wait_until(predicate: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not predicate():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def lonely(storage_folder, tmp_path_factory) -> Iterator[tuple[str, str]]:
    """A master without workers, on ports of its own choice: its URL, and its page."""
    log = tmp_path_factory.mktemp("master") / "log"
    line, environment = daemon.command("master", "--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
    with log.open("wb") as output:
        process = subprocess.Popen(
            line, env={**environment, "SPARK_LOCAL_IP": "127.0.0.1"}, stdout=output, stderr=output, start_new_session=True
        )

    def said(before: str, after: str) -> str:
        return next((line.partition(before)[2].strip(after) for line in log.read_text().splitlines() if before in line), "")

    try:
        wait_until(lambda: (said("MasterWebUI to ", "") and said("New state: ", "") == "ALIVE") or process.poll() is not None)
        port = said("Successfully started service 'MasterUI' on port ", ".")
        yield said("Starting Spark master at ", ""), f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def test_a_master_without_workers_says_so(lonely):
    url, page = lonely
    found = master.ask(page)
    assert (found.url, found.status) == (url, "ALIVE")
    assert (found.workers, found.cores, found.free, found.holders()) == ((), 0, 0, ())
    assert master.reach(url) is None


def test_why_nothing_runs_there(lonely):
    problem = waiting.explain(master.ask(lonely[1]), waiting.Request("app-1", "127.0.0.1:1"), lonely[1])
    assert problem.what == f"No worker is alive on {lonely[0]}."
    assert "inferlab cluster up" in problem.cure


def test_a_proxy_of_the_network_is_not_asked(lonely, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert master.ask(lonely[1]).status == "ALIVE"


def test_where_nobody_listens_is_a_problem():
    with pytest.raises(Problem) as caught:
        master.ask("http://127.0.0.1:9")
    assert caught.value.what.startswith("No Spark master answers at http://127.0.0.1:9/json/")
    assert "INFERLAB_MASTER_PAGE" in caught.value.cure
    with pytest.raises(Problem, match=r"No master listens at spark://127.0.0.1:9 .*refused"):
        master.reach("spark://127.0.0.1:9")


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"url": "x"}'])
def test_what_is_no_master_is_a_problem(answer):
    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *words):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        with pytest.raises(Problem, match="No Spark master answers"):
            master.ask(f"http://127.0.0.1:{server.server_port}")


def test_the_page_is_as_far_from_8080_as_the_port_is_from_7077(monkeypatch):
    monkeypatch.delenv("INFERLAB_MASTER_PAGE", raising=False)
    assert master.page("spark://127.0.0.1:7077") == "http://127.0.0.1:8080"
    assert master.page("spark://there:7079,here:7077") == "http://there:8082"
    monkeypatch.setenv("INFERLAB_MASTER_PAGE", "http://spark-master:8080/")
    assert master.page("spark://127.0.0.1:7078") == "http://spark-master:8080"


def test_a_url_that_names_no_master_is_a_problem():
    with pytest.raises(Problem, match=r"spark://HOST:7077"):
        master.addresses("spark://host:port")


def worker(name: str, **told) -> Worker:
    return Worker(
        **{"id": name, "host": name, "alive": True, "cores": 2, "used": 0, "memory": 2 * GIB, "memory_used": 0, **told}
    )


def application(name: str, **told) -> Application:
    started = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
    usual = {"name": name, "user": "lab", "cores": 0, "memory": GIB, "gpus": 0, "state": "WAITING", "seconds": 75}
    return Application(**{"id": f"app-{name}", "started": started, **usual, **told})


def test_cores_of_a_dead_worker_do_not_count():
    found = Master("spark://m:7077", "ALIVE", (worker("a", used=1), worker("b", alive=False)))
    assert (found.cores, found.free, len(found.alive)) == (2, 1, 1)


MINE = application("mine")
HOLDER = application("03_row.ipynb", cores=2, state="RUNNING")


@pytest.mark.parametrize(
    ("found", "what", "cure"),
    [
        (Master("spark://m:7077", "STANDBY"), "is STANDBY", "ALIVE"),
        (
            Master("spark://m:7077", "ALIVE", (worker("a"),), ended=(application("mine", state="FAILED"),)),
            "has dropped this application (FAILED)",
            "start the session anew",
        ),
        (
            Master("spark://m:7077", "ALIVE", (worker("a", used=2),), (MINE, HOLDER)),
            "All 2 cores of the cluster are taken: 03_row.ipynb (app-03_row.ipynb) has held 2 cores for 1 min, since 09:30 UTC",
            "Shut Down), or wait until it has ended; what it does is on http://m:8080/app/?appId=app-03_row.ipynb",
        ),
        (
            Master("spark://m:7077", "ALIVE", (worker("a", used=1, memory_used=2 * GIB),), (MINE, HOLDER)),
            "1 core free, but on workers whose memory is taken",
            "Running Terminals and Kernels",
        ),
        (
            Master(
                "spark://m:7077",
                "ALIVE",
                (worker("a", gpus=("0",), gpus_used=("0",)), worker("b", used=2)),
                (application("mine", gpus=1), HOLDER),
            ),
            "All GPUs of the workers with free cores are taken",
            "Shut the other notebook down",
        ),
        (Master("spark://m:7077", "ALIVE", (worker("a"),), (MINE,)), "has given nothing yet", "start the session anew"),
    ],
)
def test_each_reason_to_wait_has_its_sentence_and_cure(found, what, cure):
    problem = waiting.explain(found, waiting.Request("app-mine", "driver:1"), "http://m:8080")
    assert what in problem.what
    assert cure in problem.cure
