"""A finding, and how findings are shown. It knows no check."""

from typing import NamedTuple

import pandas as pd


class Finding(NamedTuple):
    """One check and what came of it.

    ok: whether the lab can work with what was found
    cure: what to do, as a sentence; `examine` leaves it empty when ok
    """

    check: str
    ok: bool
    found: str
    cure: str


def table(findings: list[Finding]) -> pd.DataFrame:
    """The findings for a notebook: check, fit, found, cure; a row each."""
    shown = pd.DataFrame(findings, columns=Finding._fields)
    shown["ok"] = shown["ok"].map({True: "yes", False: "NO"})
    return shown.rename(columns={"ok": "fit"}).set_index("check")


def report(findings: list[Finding]) -> str:
    """The findings for a terminal: a line each, and below those that are not fit their cure."""
    lines = []
    for check, ok, found, cure in findings:
        lines.append(f"{'ok' if ok else 'NO'}  {check:<10} {found}")
        lines += [] if ok else [f"{'':<15}{cure}"]
    sick = sum(not finding.ok for finding in findings)
    verdict = f"{sick} of {len(findings)} checks failed." if sick else "This Spark is fit for the lab."
    return "\n".join([*lines, verdict])
