"""What a machine says of itself: the memory that control groups leave, and versions that need no import."""

import os
import sys
from importlib.metadata import version

import pytest

from inferlab import machine

MIB = 2**20


def group(root, path, file, limit):
    (root / path).mkdir(parents=True, exist_ok=True)
    (root / path / file).write_text(f"{limit}\n")


PHYSICAL = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_version_2_inside_a_container(tmp_path):
    group(tmp_path, "", "memory.max", 512 * MIB)
    assert machine.memory(tmp_path, "0::/\n") == 512 * MIB


def test_version_1_inside_a_container_that_is_told_a_path_it_does_not_see(tmp_path):
    group(tmp_path, "memory", "memory.limit_in_bytes", 512 * MIB)
    assert machine.memory(tmp_path, "5:cpu,cpuacct:/docker/ab\n4:memory:/docker/ab\n0::/docker/ab\n") == 512 * MIB


@pytest.mark.parametrize(
    ("mount", "file", "membership"),
    [("", "memory.max", "0::/lab/worker\n"), ("memory", "memory.limit_in_bytes", "4:memory:/lab/worker\n")],
)
def test_the_least_limit_on_the_way_up_counts(tmp_path, mount, file, membership):
    group(tmp_path / mount, "", file, 9223372036854771712)
    group(tmp_path / mount, "lab", file, 256 * MIB)
    group(tmp_path / mount, "lab/worker", file, 512 * MIB)
    assert machine.memory(tmp_path, membership) == 256 * MIB


@pytest.mark.parametrize(("file", "limit"), [("memory.max", "max"), ("memory.max", 2**62)])
def test_without_a_limit_it_is_the_machine(tmp_path, file, limit):
    group(tmp_path, "", file, limit)
    assert machine.memory(tmp_path, "0::/\n") == PHYSICAL
    assert machine.memory(tmp_path / "none", "") == PHYSICAL


def test_this_process_has_some_memory():
    assert 100 * MIB < machine.memory() <= PHYSICAL


def test_versions_are_those_of_the_packages():
    found = machine.versions()
    assert found["python"] == ".".join(str(part) for part in sys.version_info[:3])
    assert found["pyarrow"] == version("pyarrow")
    assert machine.versions("numpy", "no-such-package") == {
        "python": found["python"],
        "numpy": version("numpy"),
        "no-such-package": "missing",
    }


def test_a_machine_is_described_without_names_of_hosts():
    assert set(machine.describe()) == {"processor", "cores", "memory_gb", "system"}
    assert machine.describe()["processor"]
    assert set(machine.matrix_flags()) <= set(machine.MATRIX_FLAGS)
