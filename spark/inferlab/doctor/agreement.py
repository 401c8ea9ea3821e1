"""What driver and workers must have in common: packages, the storage, a network between them, the time of day."""

import os
from pathlib import Path

from pyspark.sql import SparkSession

from inferlab import machine, probe, storage
from inferlab.doctor.finding import Finding
from inferlab.probe import Row, Survey

SKEW = 2.0  # seconds: from here on the times of files and of logs mislead


def workers(seen: Survey) -> Finding:
    """Whether every executor has answered."""
    executors = {(row["host"], row["parent"]) for row in seen.rows}
    hosts, processes = {row["host"] for row in seen.rows}, {(row["host"], row["pid"]) for row in seen.rows}
    machines = _count(len(hosts), "machine")
    found = f"{_count(len(processes), 'Python worker')} of {_count(len(executors), 'executor')} on {machines} answer"
    if seen.silent or not seen.rows:
        found += f"; silent after {probe.PATIENCE} s: {', '.join(seen.silent) or 'all'}"
    cure = "Let the jobs that run in this session end, and examine again; if it stays so, look into that executor's log."
    return Finding("workers", bool(seen.rows) and not seen.silent, found, cure)


def no_answer(error: Exception) -> Finding:
    """The last line of a worker's traceback says why; the rest is Spark's."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = next((line for line in reversed(lines) if "Error" in line or "Exception" in line), (lines or ["?"])[0])
    cure = "Give every machine the same Python and packages: `make up` builds one image for all of them."
    return Finding("workers", False, f"the job failed: {said[:200]}", cure)


def packages(rows: list[Row]) -> Finding:
    """Versions on every executor against the driver's."""
    here = machine.versions()
    wrong = {
        f"{name} {row['versions'].get(name, 'missing')} on {row['host']} (driver {here[name]})"
        for row in rows
        for name in here
        if row["versions"].get(name, "missing") != here[name]
    }
    missing = [f"{name} is missing" for name, found in here.items() if found == "missing"]
    ok = ", ".join(f"{name.removesuffix('-python-headless')} {found}" for name, found in here.items())
    cure = "Install requirements.lock on every machine: `make up` builds one image for all of them."
    return Finding("packages", not missing and not wrong, "; ".join([*missing, *sorted(wrong)]) or ok, cure)


def driver(spark: SparkSession, rows: list[Row]) -> Finding:
    """Whether every worker can open a connection to the driver, and how long that takes."""
    conf = spark.sparkContext.getConf()
    address = f"{conf.get('spark.driver.host')}:{conf.get('spark.driver.port')}"
    if failed := {f"{row['host']}: {row['driver']}" for row in rows if isinstance(row["driver"], str)}:
        cure = "Set spark.driver.host to an address of this machine that the workers can open, and let its firewall pass them."
        return Finding("driver", False, f"{address} from {'; '.join(sorted(failed))}", cure)
    slowest = max(row["driver"] for row in rows)
    return Finding("driver", True, f"{address} is reached by every worker, in {1000 * slowest:.1f} ms at most", "")


def clock(clocks: dict[str, tuple[float, float]]) -> Finding:
    """Whether the clocks of all machines say the same."""
    surely = {host: max(0.0, least, -most) for host, (least, most) in clocks.items()}
    if late := {host: seconds for host, seconds in surely.items() if seconds > SKEW}:
        told = ", ".join(
            f"{host} {'ahead' if clocks[host][0] > 0 else 'behind'} by {late[host]:.0f} s" for host in sorted(late)
        )
        cure = "Synchronise the clocks (timedatectl set-ntp true): times of files and logs cannot be compared."
        return Finding("clock", False, told, cure)
    if not clocks:
        return Finding("clock", True, "nobody had time to say it", "")
    widest = max(max(abs(least), abs(most)) for least, most in clocks.values())
    return Finding("clock", True, f"{_count(len(clocks), 'machine')} within {widest:.1f} s of the driver", "")


def shared_storage(rows: list[Row], token: str) -> Finding:
    """Each task wrote a file; here they must be seen, and be ours to delete."""
    root = storage.root()
    cure = "Make the folder writable for this user, or set INFERLAB_STORAGE to one that is."
    if problem := probe.round_trip(root, token):
        return Finding("storage", False, f"{_short(root)}: {problem}", cure)
    arrived = list((root / ".scratch").glob(f"{token}-*"))
    kept = [problem for file in arrived if (problem := _delete(file))]
    strangers = {row["uid"] for row in rows} - {os.getuid()}
    if failed := {f"{row['host']}: {row['storage']}" for row in rows if row["storage"]}:
        cure = "Mount the same volume at the same path on every machine: compose's `share_storages` does."
        return Finding("storage", False, f"{_short(root)} from {'; '.join(sorted(failed))}", cure)
    if len(arrived) != len(rows) + 1:
        found = f"{len(arrived) - 1} of {len(rows)} files written by workers are seen by the driver"
        return Finding("storage", False, found, "Give all machines one shared folder; each has its own now.")
    if strangers or kept:
        users = ", ".join(str(uid) for uid in sorted(strangers)) or os.getuid()
        found = f"workers write as user {users}, the driver is {os.getuid()}"
        found += f" and cannot delete {len(kept)} of their files" if kept else ""
        return Finding("storage", False, found, "Run driver and workers as one user: the driver must move their files.")
    wrote = f"{len(rows)} tasks wrote, read and renamed as the driver's user, {os.getuid()}" if rows else "this machine writes"
    return Finding("storage", True, f"{_short(root)}: {wrote}", "")


def _delete(file: Path) -> str:
    try:
        file.unlink()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _short(path: Path) -> str:
    """A path without the part that only this machine has."""
    return path.name if path.name == storage.FOLDER else str(path)
