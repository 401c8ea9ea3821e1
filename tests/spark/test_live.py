"""The display of running jobs: read from real ones that stand still until the test lets them go, and drawn in a real kernel."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import nbformat
import papermill
import pytest
from jupyter_client.manager import start_new_kernel

from inferlab import live, panel, progress
from inferlab.sparkjobs import Job, Snapshot, Watch, spoken

PATIENCE = 30
BATCH = 10_000  # rows: 80 KB, more than a Python worker's buffer of 64 KB, so that they leave it before the task ends


@pytest.fixture
def gates(tmp_path) -> Callable[[int], Path]:
    """Makes named pipes: a task that opens one stands still until `release` opens its other end."""

    def make(number: int) -> Path:
        os.mkfifo(tmp_path / f"gate-{number}")
        return tmp_path / f"gate-{number}"

    return make


def release(gate: Path) -> None:
    gate.write_text("")


def gated(paths: list[str]) -> Callable[[Iterator], Iterator]:
    """A step in Python that gives its rows back and then waits at the gate of its partition."""

    def step(batches):
        from pyspark import TaskContext

        yield from batches
        Path(paths[TaskContext.get().partitionId()]).read_text()

    return step


@contextmanager
def side_by_side(spark, *actions: Callable[[], object]) -> Iterator[list[Future]]:
    """Run actions behind the test's back; when the test fails their jobs end with it."""
    with ThreadPoolExecutor(len(actions)) as pool:
        try:
            yield [pool.submit(action) for action in actions]
        except BaseException:
            spark.sparkContext.cancelAllJobs()
            raise


def until(watch: Watch, holds: Callable[[Snapshot], bool]) -> Snapshot:
    deadline = time.monotonic() + PATIENCE
    while not holds(snapshot := watch.look()):
        assert time.monotonic() < deadline, snapshot
    return snapshot


def job(**differences) -> Job:
    like = {
        "number": 0, "name": "count", "detail": "MapInArrow", "status": "RUNNING", "tasks": 16, "done": 4, "running": 2,
        "failed": 0, "started": 100.0, "ended": None, "waiting": False,
    }  # fmt: skip
    return Job(**{**like, **differences})


def test_tasks_and_rows_grow_while_a_job_runs_and_end_with_all(spark, gates):
    doors = [gates(number) for number in range(4)]
    df = spark.range(0, 4 * BATCH, 1, 4).mapInArrow(gated([str(door) for door in doors]), "id long")
    watch = Watch(spark, time.time())
    assert watch.look().jobs == ()
    with side_by_side(spark, df.toPandas) as [answer]:
        # Both tasks stand at their gates: that their rows are known before they end is the work of the heartbeat.
        begun = until(watch, lambda now: now.rows == 2 * BATCH)
        assert [(one.name, one.detail, one.done, one.tasks) for one in begun.jobs] == [("toPandas", "MapInArrow", 0, 4)]
        release(doors[0])
        until(watch, lambda now: now.rows == 3 * BATCH and now.jobs[0].done == 1)
        for door in doors[1:]:
            release(door)
        assert len(answer.result()) == 4 * BATCH
    last = watch.look(last=True)
    assert (last.rows, last.running) == (4 * BATCH, [])
    assert [(one.status, one.done, one.failed) for one in last.jobs] == [("SUCCEEDED", 4, 0)]
    assert panel.finished(last).startswith("1 job, 4 tasks, 40,000 rows in ")


def test_two_jobs_at_once_are_two_lines_and_the_one_without_a_core_waits(spark, gates, monkeypatch):
    monkeypatch.setattr("inferlab.sparkjobs.QUIET", 0.0)
    doors = [gates(number) for number in range(4)]
    step = gated([str(door) for door in doors])
    whole = spark.range(0, 4 * BATCH, 1, 4).mapInArrow(step, "id long")
    watch = Watch(spark, time.time())
    with side_by_side(spark, whole.collect) as [first]:
        until(watch, lambda now: [line.told for line in panel.lines(now)] == ["0 of 4 tasks, 2 running"])
        with side_by_side(spark, spark.range(0, 10, 1, 2).collect) as [second]:  # now there is no core for it
            told = {"run": "0 of 4 tasks, 2 running", "wait": "0 of 2 tasks, waiting for a free core"}
            until(watch, lambda now: {line.mood: line.told for line in panel.lines(now)} == told)
            for door in doors:
                release(door)
            assert [len(answer.result()) for answer in (first, second)] == [4 * BATCH, 10]


def test_a_failed_job_is_shown_as_failed(spark):
    def fail(batches):
        raise ValueError("no")

    watch = Watch(spark, time.time())
    with pytest.raises(Exception, match="ValueError"):
        spark.range(0, 10, 1, 2).mapInArrow(fail, "id long").collect()
    last = watch.look(last=True)
    assert last.jobs[0].status == "FAILED"
    assert panel.lines(last)[0].mood == "fail"
    assert panel.finished(last).startswith("1 job, failed, 0 of 2 tasks")


def test_without_python_the_rows_are_those_that_were_read(spark):
    watch = Watch(spark, time.time())
    assert spark.range(0, 1000, 1, 4).selectExpr("sum(id)").collect()
    assert watch.look(last=True).rows == 1000


def test_a_row_that_passes_two_python_steps_is_one_row(spark):
    def same(batches):
        yield from batches

    watch = Watch(spark, time.time())
    spark.range(0, 100, 1, 2).mapInArrow(same, "id long").mapInArrow(same, "id long").collect()
    assert watch.look(last=True).rows == 100


def test_jobs_from_before_are_not_shown(spark):
    spark.range(10).collect()
    time_of_the_cell = time.time()
    watch = Watch(spark, time_of_the_cell)
    spark.range(20).collect()
    assert all(one.started >= time_of_the_cell - 0.001 for one in watch.look(last=True).jobs)


def test_what_is_said_and_drawn():
    two = Snapshot(106.1, (job(status="SUCCEEDED", done=16, ended=104.0), job(started=102.0, failed=1)), 3200, 2)
    assert two.seconds == pytest.approx(6.1)
    assert panel.heading(two, 524) == "6.1 s, 1 job done, 3,200 rows, 524 rows/s"
    drawn = panel.draw("6.1 s", panel.lines(two), "", 20, 3200)
    assert 'aria-valuenow="4"' in drawn["text/html"]
    assert 'aria-valuetext="4 of 16 tasks, 2 running, 1 failed"' in drawn["text/html"]
    assert drawn["text/plain"] == "Spark: 6.1 s\n  count MapInArrow: 4 of 16 tasks, 2 running, 1 failed"
    done = Snapshot(107.0, (job(status="SUCCEEDED", done=16, ended=106.1),), 3200, 2)
    assert panel.finished(done) == "1 job, 16 tasks, 3,200 rows in 6.1 s (525 rows/s)"
    assert panel.finished(two, unended="stopped").startswith("2 jobs, 1 stopped, 20 of 32 tasks, 3,200 rows in 6.1 s")
    waiting = Snapshot(107.0, (job(done=0, running=0, waiting=True),), 0, 0)
    assert panel.lines(waiting)[0].told == "0 of 16 tasks, waiting for cores"
    assert "bob has them" in panel.draw("", panel.lines(waiting), "bob has them", 0, 0)["text/plain"]
    assert "<b>" not in panel.draw("", [panel.bar("<b>", "<i>", 1, 2, "run")], "", 0, 0)["text/html"].split("</b>", 1)[1]


def test_the_pace_is_that_of_the_last_seconds_and_never_jumps_to_nothing():
    assert panel.pace([(0, 0)]) == 0
    assert panel.pace([(0, 0), (100, 100), (105, 600), (110, 1100)]) == pytest.approx(100)
    assert panel.pace([(0, 0), (10, 100), (30, 100), (40, 100)]) == pytest.approx(2.5)


def test_what_spark_calls_a_job_is_told_for_people():
    assert spoken("count at NativeMethodAccessorImpl.java:0") == "count"
    assert spoken("collect at /tmp/ipykernel_7/42.py:3") == "collect, line 3"
    assert spoken("scoring at noon, all of it") == "scoring"
    assert spoken("$anonfun$call$1 at CompletableFuture.java:1768") == "job"


def test_nothing_is_attached_where_nobody_looks(spark, monkeypatch):
    monkeypatch.setattr(progress, "wanted", lambda: True)
    assert not live.attach(spark)  # a terminal or a script: no notebook at all


@pytest.fixture
def open_notebook(monkeypatch) -> Iterator[Callable[[str], list[dict]]]:
    """Runs cells in a kernel as JupyterLab starts it; returns what each displays: the type and the data of each message."""
    monkeypatch.setenv("JPY_SESSION_NAME", "open.ipynb")
    manager, client = start_new_kernel(kernel_name="python3")

    def run(code: str) -> list[dict]:
        shown = []
        cell = client.execute_interactive(code, timeout=120, output_hook=shown.append, allow_stdin=False)
        assert all(message["parent_header"]["msg_id"] == cell["parent_header"]["msg_id"] for message in shown)
        return [{"type": message["msg_type"], **message["content"].get("data", {})} for message in shown]

    yield run
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_an_open_notebook_sees_it_live_and_a_line_stays(open_notebook, gates):
    door = gates(0)
    released = f"threading.Timer(3, lambda: open({str(door)!r}, 'w').close()).start()"
    open_notebook("import threading; from inferlab import cluster, live, progress; spark = cluster.session('local[2]')")
    open_notebook(
        f"def step(batches):\n    yield from batches\n    open({str(door)!r}).read()\n"
        "df = spark.range(0, 100, 1, 1).mapInArrow(step, 'id long')"
    )
    open_notebook("live.WORTH = 100  # seconds")
    assert displays(open_notebook("spark.range(3).count() and None")) == []  # a cell that is shorter than this stays as it is
    open_notebook("live.WORTH = 0.5")

    first, *_, last = displays(open_notebook(f"{released}; df.count()"))
    assert first["type"] == "display_data"
    assert first["text/plain"].startswith("Spark: ")
    assert "count MapInArrow: 0 of 1 task" in first["text/plain"]
    assert 'role="progressbar"' in first["text/html"]
    assert last["type"] == "update_display_data"
    assert last["text/plain"].startswith("Spark: 1 job, 1 task, 100 rows in ")

    bars = displays(
        open_notebook(f"with progress.steps(2, 'comparing', 'run') as advance: advance('a'); {released}; df.count()")
    )
    assert any("comparing a: 1 of 2 runs" in shown["text/plain"] for shown in bars)
    assert "comparing" not in bars[-1]["text/plain"]

    again = open_notebook("spark.stop(); spark = cluster.session('local[2]'); spark.range(3).count()")
    assert not [message for message in again if message["type"] in ("error", "stream")]
    open_notebook("spark.stop()")


def displays(messages: list[dict]) -> list[dict]:
    return [message for message in messages if message["type"] in ("display_data", "update_display_data")]


def test_papermill_sees_neither_a_thread_nor_a_display(tmp_path):
    cells = [
        "from inferlab import cluster\nspark = cluster.session('local[2]')",
        "spark.range(0, 100, 1, 2).mapInArrow(lambda batches: batches, 'id long').count()",
        "import threading; from inferlab import live\n"
        "print(live._attached, [thread.name for thread in threading.enumerate() if 'inferlab' in thread.name])\nspark.stop()",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, tmp_path / "in.ipynb")
    done = papermill.execute_notebook(tmp_path / "in.ipynb", None, kernel_name="python3", progress_bar=False)
    assert done.cells[-1].outputs[0]["text"] == "None []\n"
    assert not [output for cell in done.cells for output in cell.outputs if output.output_type == "display_data"]
