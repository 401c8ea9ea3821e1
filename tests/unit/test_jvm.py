"""Which Java is used, and what is said when there is none that will do."""

from pathlib import Path

import pytest

from inferlab import jvm
from inferlab.errors import Problem


def fake_java(home: Path, says: str) -> Path:
    """A `java` that answers `-version` as one of that version does, on standard error."""
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{says}\nEND\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    "says",
    ['openjdk version "17.0.11" 2024-04-16\nOpenJDK Runtime', 'openjdk version "21" 2023-09-19', 'java version "25-ea"'],
)
def test_a_java_that_spark_runs_on_is_taken(tmp_path, monkeypatch, says):
    program = fake_java(tmp_path, says)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert jvm.java() == program


def test_java_home_comes_before_the_path_and_the_path_is_used_without_it(tmp_path, monkeypatch):
    home = fake_java(tmp_path / "home", 'openjdk version "17.0.1"')
    on_path = fake_java(tmp_path / "path", 'openjdk version "21.0.1"')
    monkeypatch.setenv("PATH", f"{on_path.parent}:/usr/bin:/bin")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert jvm.java() == home
    monkeypatch.delenv("JAVA_HOME")
    assert jvm.java() == on_path


@pytest.mark.parametrize(
    ("says", "named"),
    [
        ('openjdk version "11.0.2" 2019-01-15', "11.0.2"),
        ('java version "1.8.0_402"', "1.8.0_402"),
        ('openjdk version "16.0.2"', "16.0.2"),
        ("The operation couldn't be completed. Unable to locate a Java Runtime.", "Unable to locate"),
        ("", "no Java"),
    ],
)
def test_a_java_that_is_too_old_or_none_is_a_problem_that_says_what_was_found(tmp_path, monkeypatch, says, named):
    fake_java(tmp_path, says)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(Problem, match="Spark needs 17 or newer") as caught:
        jvm.java()
    assert named in caught.value.what
    assert "Install one" in caught.value.cure


def test_a_java_home_without_java_is_a_problem_that_names_it(tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(Problem, match=f"There is no Java in JAVA_HOME={tmp_path}") as caught:
        jvm.java()
    assert "JAVA_HOME" in caught.value.cure


def test_no_java_at_all_is_a_problem(tmp_path, monkeypatch):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Problem, match="There is no Java on the PATH"):
        jvm.java()


def test_an_archive_belongs_to_one_java_and_is_not_asked_for_where_it_is_not(tmp_path, monkeypatch):
    files = []
    for version in ("17.0.1", "21.0.1"):
        fake_java(tmp_path / version, f'openjdk version "{version}"')
        monkeypatch.setenv("JAVA_HOME", str(tmp_path / version))
        files.append(jvm.archive())
        assert jvm.options() == ""  # no such archive was ever made
    assert files[0] != files[1]
