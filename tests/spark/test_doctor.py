"""The doctor finds a healthy Spark healthy, and each sickness with its cure, without importing TensorFlow."""

import os
import shutil
import sys
import threading
import time
from importlib.metadata import version

import pytest

from inferlab import doctor, machine, probe, storage
from inferlab.doctor import agreement, resources
from inferlab.errors import Problem

CHECKS = ["java", "slots", "workers", "packages", "driver", "clock", "storage", "disk", "memory", "gpus", "precision"]


@pytest.fixture(scope="module")
def examination(spark):
    started = time.perf_counter()
    had_tensorflow = "tensorflow" in sys.modules
    findings = doctor.examine(spark)
    return findings, time.perf_counter() - started, had_tensorflow == ("tensorflow" in sys.modules)


def by_check(findings):
    return {finding.check: finding for finding in findings}


def test_a_healthy_spark_passes_every_check_in_time(examination):
    findings, seconds, no_new_tensorflow = examination
    assert [finding.check for finding in findings] == CHECKS
    assert [finding for finding in findings if not finding.ok or finding.cure] == []
    assert seconds < 20
    assert no_new_tensorflow


def test_findings_say_what_was_found(examination):
    found = {finding.check: finding.found for finding in examination[0]}
    assert found["slots"] == "2 of 2 free, embedded"
    assert f"openvino {version('openvino')}" in found["packages"]
    assert found["workers"].endswith("of 1 executor on 1 machine answer")
    assert f"4 tasks wrote, read and renamed as the driver's user, {os.getuid()}" in found["storage"]
    assert "127.0.0.1:" in found["driver"]
    assert "1 machine within" in found["clock"]
    assert "GB for Spark's own files" in found["disk"]
    assert found["gpus"] == "none, and none is needed"
    assert found["precision"].startswith(f"{machine.processor()}: f32")


def test_an_examination_leaves_nothing_in_the_storage(examination):
    assert list(storage.scratch().glob("*doctor*")) == []


def test_a_missing_storage_is_a_finding_with_a_cure(spark, monkeypatch, tmp_path):
    monkeypatch.setenv("INFERLAB_STORAGE", str(tmp_path / "gone"))
    findings = by_check(doctor.examine(spark))
    assert [check for check, finding in findings.items() if not finding.ok] == ["storage"]
    assert "no such folder" in findings["storage"].found
    assert "INFERLAB_STORAGE" in findings["storage"].cure


def test_a_storage_that_cannot_be_written_is_a_finding_with_a_cure(spark, monkeypatch, tmp_path):
    (tmp_path / ".scratch").write_text("a file where the folder should be")
    monkeypatch.setenv("INFERLAB_STORAGE", str(tmp_path))
    finding = by_check(doctor.examine(spark))["storage"]
    assert not finding.ok
    assert "writable" in finding.cure


def test_workers_of_another_user_are_a_finding_with_a_cure(spark, monkeypatch):
    uid = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: uid + 1)  # here only
    finding = by_check(doctor.examine(spark))["storage"]
    assert finding.found == f"workers write as user {uid}, the driver is {uid + 1}"
    assert "one user" in finding.cure


def test_workers_with_other_packages_are_named(spark, monkeypatch):
    here = machine.versions()
    monkeypatch.setattr(machine, "versions", lambda: {**here, "pyarrow": "1.0"})  # here only: workers import their own
    finding = by_check(doctor.examine(spark))["packages"]
    assert not finding.ok
    assert f"pyarrow {version('pyarrow')} on {storage.host()} (driver 1.0)" in finding.found
    assert "requirements.lock" in finding.cure


def test_a_package_that_is_missing_everywhere_is_a_finding(spark, monkeypatch):
    here = machine.versions()
    monkeypatch.setattr(machine, "versions", lambda: {**here, "openvino": "missing"})
    assert by_check(doctor.examine(spark))["packages"].found.startswith("openvino is missing")


def test_too_little_memory_and_disk_are_findings_with_cures(spark, monkeypatch):
    monkeypatch.setattr(resources, "TENSORFLOW", 10**15)
    monkeypatch.setattr(resources, "DISK", 10**18)
    findings = by_check(doctor.examine(spark))
    assert not findings["memory"].ok
    assert "openvino" in findings["memory"].cure
    assert not findings["disk"].ok
    assert "INFERLAB_STORAGE" in findings["disk"].cure


def test_the_largest_model_in_the_storage_counts(spark, bundle, monkeypatch, tmp_path):
    monkeypatch.setenv("INFERLAB_STORAGE", str(tmp_path))
    seen = [{"host": "a", "parent": 1, "memory": 4 * 10**9}]
    shutil.copytree(bundle.folder, tmp_path / "models" / "small")
    assert "the model small take 0.7 GB" in resources.memory(spark, seen).found
    shutil.copytree(bundle.folder, tmp_path / "models" / "large")
    with (tmp_path / "models" / "large" / bundle.graph.name).open("r+b") as graph:
        graph.truncate(500 * 10**6)
    finding = resources.memory(spark, seen)
    assert "the model large take" in finding.found
    assert not finding.ok
    assert finding.cure


def test_a_worker_without_scratch_is_a_finding_with_a_cure():
    finding = resources.disk([{"host": "a", "scratch": 10**12}, {"host": "b", "scratch": 10**8}])
    assert "b 0.1 GB" in finding.found
    assert "LAB_SCRATCH" in finding.cure


def test_a_driver_that_cannot_be_reached_is_a_finding_with_a_cure(spark):
    finding = agreement.driver(spark, [{"host": "a", "driver": 0.001}, {"host": "b", "driver": "timed out"}])
    assert finding.found.endswith("from b: timed out")
    assert "spark.driver.host" in finding.cure
    assert probe._connect(("127.0.0.1", 9)) == "Connection refused"


def test_a_clock_that_surely_differs_is_a_finding_with_a_cure():
    asked = {"before": 100.0, "after": 101.0}
    clocks = probe.clocks([{"host": "a", "clock": 100.5, **asked}, {"host": "b", "clock": 95.0, **asked}])
    assert clocks == {"a": (-0.5, 0.5), "b": (-6.0, -5.0)}
    finding = agreement.clock(clocks)
    assert finding.found == "b behind by 5 s"
    assert "set-ntp" in finding.cure
    assert agreement.clock({"a": (-0.5, 0.5)}).ok


def test_a_gpu_that_is_not_there_is_a_finding_with_a_cure():
    ghost = {"host": "a", "gpus": ["0"], "devices": False, "pretended": False}
    assert "no such device on a" in resources.gpus([ghost]).found
    assert not resources.gpus([ghost]).ok
    assert "made up" in resources.gpus([{**ghost, "pretended": True}]).found
    assert resources.gpus([{**ghost, "devices": True}]) == ("gpus", True, "a 0", "")


def test_an_executor_that_is_silent_is_named():
    class Told:
        def __init__(self, name):
            self.id, self.host = name, "b"

    rows = [{"executor": "0", "host": "a", "parent": 1, "pid": 2}]
    missing = probe.silent(rows, [Told("0"), Told("1")])
    assert missing == ["1 on b"]
    assert "silent after 30 s: 1 on b" in agreement.workers(probe.Survey(rows, missing)).found


def test_a_session_that_is_busy_is_a_finding_and_not_a_hang(spark, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)

    def until_opened(batches):
        with open(gate) as closed:  # opens when somebody writes
            closed.read()
        yield from batches

    job = spark.range(0, 2, 1, 2).mapInArrow(until_opened, "id long")
    thread = threading.Thread(target=job.collect)
    thread.start()
    tracker = spark.sparkContext.statusTracker()
    deadline = time.monotonic() + 30
    while not any(tracker.getStageInfo(stage).numActiveTasks == 2 for stage in tracker.getActiveStageIds()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    try:
        finding = by_check(doctor.examine(spark))["slots"]
        survey = probe.survey(spark, "doctor-busy", patience=1)
    finally:
        with open(gate, "w"), open(gate, "w"):  # the tasks go on when the last writer is gone
            pass
        thread.join()
    assert finding.found == "0 of 2 free, embedded. All 2 slots are busy with other jobs of this session."
    assert "Wait" in finding.cure
    assert survey.rows == []
    assert survey.silent == ["driver on 127.0.0.1"]


def test_a_job_that_fails_is_a_finding_and_hides_no_other(spark, monkeypatch):
    def broken(spark, token):
        return spark.range(1).rdd.map(lambda row: row.no_such_column).collect()

    monkeypatch.setattr(probe, "survey", broken)
    findings = by_check(doctor.examine(spark))
    assert not findings["workers"].ok
    assert "no_such_column" in findings["workers"].found
    assert findings["storage"].ok
    assert findings["disk"].ok


def test_a_session_that_cannot_be_had_is_a_finding_beside_what_this_machine_says():
    findings = by_check(doctor.refused(Problem("No worker is alive.", "Start one.")))
    assert findings["session"] == ("session", False, "No worker is alive.", "Start one.")
    assert all(findings[check].ok for check in ("packages", "storage", "disk"))


def test_an_old_java_is_a_finding_with_a_cure(spark, monkeypatch):
    monkeypatch.setattr(resources.jvm, "OLDEST", 99)
    finding = by_check(doctor.examine(spark))["java"]
    assert not finding.ok
    assert "JAVA_HOME" in finding.cure


def test_the_table_of_a_notebook_has_a_row_a_finding(examination):
    shown = doctor.table(examination[0])
    assert list(shown.index) == CHECKS
    assert list(shown.columns) == ["fit", "found", "cure"]
    assert set(shown["fit"]) == {"yes"}


def test_the_report_gives_the_cure_below_what_failed():
    findings = [doctor.Finding("disk", True, "80 GB", ""), doctor.Finding("memory", False, "1 GB", "Use fewer slots.")]
    lines = doctor.report(findings).splitlines()
    assert lines[0].startswith("ok  disk")
    assert lines[1].startswith("NO  memory")
    assert lines[2].strip() == "Use fewer slots."
    assert lines[-1] == "1 of 2 checks failed."
    assert doctor.report(findings[:1]).endswith("This Spark is fit for the lab.")
