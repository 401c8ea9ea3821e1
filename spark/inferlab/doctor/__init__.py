"""What makes a cluster fit for the lab, and the cure for each thing that does not. It scores nothing.

One small Spark job asks every executor what it sees: its packages, its user, its memory, its clock, and whether what it writes
to the storage arrives here. TensorFlow is never imported, so an examination takes seconds.

    probe         what a task sees, and the job that asks every executor (beside this package: workers import it alone)
    resources     what there is: Java, slots, memory, disk, GPUs, precisions
    agreement     what driver and workers must have in common: packages, storage, network, clock
    finding       one check and what came of it, for a notebook and for a terminal
"""

import contextlib
import uuid

from pyspark.sql import SparkSession

from inferlab import cluster, master, probe
from inferlab.doctor import agreement, resources
from inferlab.doctor.finding import Finding, report, table
from inferlab.errors import Problem

__all__ = ["Finding", "examine", "refused", "report", "session", "table"]


def session(master_url: str | None = None) -> SparkSession:
    """A session to examine with: on a standalone cluster with one core of each worker, for a share may leave some out.

    Raises `Problem` as `cluster.session` does.
    """
    url, settings = cluster.master(master_url), {}
    if master.is_standalone(url):
        with contextlib.suppress(Problem):  # who does not answer is the session's to say
            settings["spark__cores__max"] = str(max(1, len(master.ask(master.page(url)).alive)))
    return cluster.session(url, app="inferlab doctor", **settings)


def examine(spark: SparkSession) -> list[Finding]:
    """Look at everything the lab needs, in less than a minute. Raises nothing that a check can turn into a finding."""
    findings = [resources.java(spark), slots := resources.slots(spark)]
    token, seen = f"doctor-{uuid.uuid4().hex}", probe.Survey()
    if slots.ok:
        try:
            seen = probe.survey(spark, token)
            findings.append(agreement.workers(seen))
        except Exception as error:
            findings.append(agreement.no_answer(error))
    rows = seen.rows
    if rows:
        findings += [agreement.packages(rows), agreement.driver(spark, rows), agreement.clock(seen.clocks)]
    findings += [agreement.shared_storage(rows, token), resources.disk(rows)]
    if rows:
        findings += [resources.memory(spark, rows), resources.gpus(rows), resources.precision(rows)]
    return _cured(findings)


def refused(problem: Problem) -> list[Finding]:
    """What can be said when there is no session: why, and what of this machine."""
    session = Finding("session", False, problem.what, problem.cure)
    token = f"doctor-{uuid.uuid4().hex}"
    return _cured([session, agreement.packages([]), agreement.shared_storage([], token), resources.disk([])])


def _cured(findings: list[Finding]) -> list[Finding]:
    return [finding._replace(cure="") if finding.ok else finding for finding in findings]
