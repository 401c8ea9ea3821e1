"""What this machine is: its processor, the memory that this process may use, and the versions of what a result depends on.

The same on a driver and on a worker. It imports neither Spark nor a framework, and it asks the package index's records for
versions, so that no package has to be imported for its number. Names of hosts and people are not told.
"""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("pyspark", "keras", "tensorflow", "openvino", "opencv-python-headless", "pyarrow", "pandas", "numpy")
MATRIX_FLAGS = ("avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")  # what makes inference in int8 and bf16 fast
CGROUPS = Path("/sys/fs/cgroup")


def versions(*names: str) -> dict[str, str]:
    """Of Python and of `PACKAGES`, or of what is named; "missing" for what is not installed."""
    found = {"python": platform.python_version()}
    for name in names or ("inferlab", *PACKAGES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def describe() -> dict[str, Any]:
    """Processor, cores and memory (GiB), for the reader of numbers."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(_physical() / 2**30, 1),
        "system": platform.system(),
    }


def processor() -> str:
    """Its name, like "AMD EPYC"."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def matrix_flags() -> tuple[str, ...]:
    """Which of `MATRIX_FLAGS` the processor has; none where the system does not tell."""
    flags = _cpuinfo("flags").split()
    return tuple(flag for flag in MATRIX_FLAGS if flag in flags)


def memory(groups: Path = CGROUPS, membership: str | None = None) -> int:
    """Bytes that this process may use: the machine's, or the least of the limits of its control groups and all above them.

    groups: where control groups are mounted, in version 1 or 2
    membership: the content of /proc/self/cgroup, which says the groups of this process
    """
    if membership is None:
        own = Path("/proc/self/cgroup")
        membership = own.read_text() if own.is_file() else ""
    limits = [_physical()]
    for line in membership.splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":  # version 2: one tree for all controllers
            limits += _limits(groups, path, "memory.max") + _limits(groups / "unified", path, "memory.max")
        elif "memory" in controllers.split(","):
            limits += _limits(groups / "memory", path, "memory.limit_in_bytes")
    return min(limits)


def _limits(mount: Path, path: str, file: str) -> list[int]:
    """The limits of a group and of those above it. A container sees its own group as the top, whatever its path says."""
    group = mount / path.strip("/")
    told = [folder / file for folder in (group, *group.parents) if folder.is_relative_to(mount)]
    words = [limit.read_text().strip() for limit in told if limit.is_file()]
    return [int(word) for word in words if word.isdigit()]  # "max" is no limit


def _physical() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0


def _cpuinfo(key: str) -> str:
    """The first value of a key of /proc/cpuinfo, or ""."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == key), "")
