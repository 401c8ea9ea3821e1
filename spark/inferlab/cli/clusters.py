"""Words for where Spark is: `doctor` and `cluster up|down|status`."""

import argparse
from dataclasses import asdict
from typing import Any

from inferlab.cli import words
from inferlab.errors import Problem


def add(commands) -> None:
    """Define the commands."""
    doctor = words.command(commands, "doctor", _doctor, "say whether this machine, or a cluster, is fit", spark=True)
    doctor.epilog = "Every finding that is not ok comes with its cure. Exit code 2 when one is not."

    cluster = commands.add_parser("cluster", help="a standalone cluster as processes on this machine").add_subparsers(
        title="commands", required=True, metavar="COMMAND"
    )
    up = words.command(cluster, "up", _up, "start a master and its workers, on the loopback interface only")
    up.epilog = "Then: export SPARK_MASTER=spark://127.0.0.1:7077; every command and notebook of the lab uses it."
    up.add_argument("--workers", type=int, default=2, help="worker processes (default: %(default)s)")
    up.add_argument("--cores", type=int, default=1, help="tasks that each runs at once (default: %(default)s)")
    up.add_argument("--memory", default="2g", help="for the Java of its executors, 1g for each session (default: %(default)s)")
    up.add_argument(
        "--pretend-gpus",
        type=int,
        default=0,
        metavar="N",
        help="made-up GPU addresses in each worker: Spark hands them out as real ones, and no GPU computes (default: 0)",
    )
    words.command(cluster, "down", _down, "end that cluster")
    words.command(cluster, "status", _status, "say what of it is alive, and who holds its cores")


def _doctor(options: argparse.Namespace) -> dict[str, Any]:
    from inferlab import doctor

    try:
        findings = doctor.examine(doctor.session(options.master))
    except Problem as problem:
        findings = doctor.refused(problem)
    words.say(options, doctor.report(findings))
    fit = all(finding.ok for finding in findings)
    return {
        "fit": fit,
        "findings": [finding._asdict() for finding in findings],
        "exit_code": words.DONE if fit else words.UNUSABLE,
    }


def _up(options: argparse.Namespace) -> dict[str, Any]:
    from inferlab import standalone

    started = standalone.up(options.workers, options.cores, options.memory, options.pretend_gpus)
    words.say(options, f"{_described(started)}. Its page: {started.page}\nUse it:  export SPARK_MASTER={started.url}")
    return {"master": started.url, "page": started.page, **asdict(started)}


def _down(options: argparse.Namespace) -> dict[str, Any]:
    from inferlab import standalone

    ended = standalone.down()
    words.say(options, "The cluster has ended." if ended else "No cluster was running.")
    return {"ended": ended}


def _status(options: argparse.Namespace) -> dict[str, Any]:
    from inferlab import master, standalone

    found = standalone.find()
    if not found:
        raise Problem("No cluster of this storage is running.", "Start one: inferlab cluster up.")
    told = master.ask(found.page)
    words.say(
        options, f"{_described(found)}: {told.status}, {len(told.alive)} workers alive, {told.free} of {told.cores} cores free."
    )
    for holder in told.holders():
        words.say(options, f"  {holder.name} ({holder.id}) holds {holder.cores} cores")
    return {"master": found.url, "page": found.page, "status": told.status, "workers": len(told.alive), "free": told.free}


def _described(cluster) -> str:
    gpus = f", {cluster.pretend_gpus} made-up GPUs each" if cluster.pretend_gpus else ""
    return f"{cluster.url}: {cluster.workers} workers with {cluster.cores} cores and {cluster.memory} each{gpus}"
