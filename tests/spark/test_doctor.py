"""The doctor finds a healthy Spark healthy, and each sickness with its cure, without importing TensorFlow."""

import sys
import time
from importlib.metadata import version

import pytest

from inferlab import doctor, storage

CHECKS = ["java", "slots", "workers", "packages", "storage", "disk", "memory", "precision"]


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
    assert "4 tasks wrote, read and renamed" in found["storage"]
    assert "f32" in found["precision"]


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


def test_workers_with_other_packages_are_named(spark, monkeypatch):
    here = doctor._versions()
    monkeypatch.setattr(doctor, "_versions", lambda: {**here, "pyarrow": "1.0"})  # here only: workers import their own
    finding = by_check(doctor.examine(spark))["packages"]
    assert not finding.ok
    assert f"pyarrow {version('pyarrow')} on {storage.host()} (driver 1.0)" in finding.found
    assert "requirements.lock" in finding.cure


def test_a_package_that_is_missing_everywhere_is_a_finding(spark, monkeypatch):
    here = doctor._versions()
    monkeypatch.setattr(doctor, "_versions", lambda: {**here, "openvino": "missing"})
    assert by_check(doctor.examine(spark))["packages"].found.startswith("openvino is missing")


def test_too_little_memory_and_disk_are_findings_with_cures(spark, monkeypatch):
    monkeypatch.setattr(doctor, "TENSORFLOW", 10**15)
    monkeypatch.setattr(doctor, "DISK", 10**18)
    findings = by_check(doctor.examine(spark))
    assert not findings["memory"].ok
    assert "openvino" in findings["memory"].cure
    assert not findings["disk"].ok
    assert "INFERLAB_STORAGE" in findings["disk"].cure


def test_a_job_that_fails_is_a_finding_and_hides_no_other(spark, monkeypatch):
    def broken(spark, root, token):
        return spark.range(1).rdd.map(lambda row: row.no_such_column).collect()

    monkeypatch.setattr(doctor, "_ask", broken)
    findings = by_check(doctor.examine(spark))
    assert not findings["workers"].ok
    assert "no_such_column" in findings["workers"].found
    assert findings["storage"].ok
    assert findings["disk"].ok


def test_an_old_java_is_a_finding_with_a_cure(spark, monkeypatch):
    monkeypatch.setattr(doctor.jvm, "OLDEST", 99)
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
