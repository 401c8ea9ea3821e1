"""What a comparison leaves: one tidy table, what follows from it, and its files. It does not measure and does not draw.

OUT/run.json          machine, versions, settings, agreements, break-even points
OUT/timings.parquet   one row a run, the columns of `COLUMNS`
OUT/comparison.png    drawn by `plots`
"""

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from inferlab import machine, storage, worker
from inferlab.benchmark import Comparison
from inferlab.errors import Problem
from inferlab.models.bundle import Bundle

COLUMNS = {
    "kind": "cold: new Python workers; warm: everything loaded; limit: plain processes, warm; show: the ancestor's way",
    "engine": "a key of engines.ENGINES",
    "precision": "f32 or bf16",
    "strategy": "a key of strategies.STRATEGIES, or plain_processes",
    "rows": "rows in the DataFrame",
    "repeat": "0, 1, ... of runs of one kind",
    "seconds": "from the call of the strategy to the last row",
    "rows_per_second": "rows / seconds",
    "rows_computed": "counted by the workers",
    "rejected": "rows with an error in place of an answer",
    "model_loads": "predictors built in this run",
    "calls": "calls of the predictor",
    "mean_batch": "rows in a call of the predictor",
    "largest_batch": "rows in the largest call",
    "processes": "that work side by side",
    "start_seconds": "to start new Python workers; this and all below are added over the processes",
    "import_seconds": "to import the engine's libraries",
    "load_seconds": "to read the broadcast and build the model",
    "read_seconds": "to read files",
    "decode_seconds": "bytes to pixels",
    "predict_seconds": "pixels to probabilities",
    "rest_seconds": "processes x seconds, less all of the above: Spark, transfer, conversion, waiting",
    "bytes_to_python": "from the JVM to Python workers",
    "bytes_from_python": "from Python workers to the JVM",
}
STAGES = ("start", *worker.STAGES, "rest")
SUBJECT = ["engine", "precision", "strategy"]  # what is compared with what


def timings(comparison: Comparison) -> pd.DataFrame:
    """One row a run, with `COLUMNS`."""
    return pd.DataFrame(comparison.runs, columns=list(COLUMNS))


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """One row for each engine and strategy, at the largest number of rows, fastest first.

    returns: engine, precision, strategy, rows, rows_per_second (the median of the warm runs), slowest, fastest,
        cold_seconds, model_loads (of the cold run), mean_batch, bytes_to_python (a row), of_limit (share of what plain
        processes reach on the same engine)
    """
    most = table[table["rows"] == table["rows"].max()]
    warm, cold = (most[most["kind"] == kind].groupby(SUBJECT) for kind in ("warm", "cold"))
    limit = most[most["kind"] == "limit"].groupby(SUBJECT[:2])["rows_per_second"].median()
    found = pd.DataFrame(
        {
            "rows": warm["rows"].first(),
            "rows_per_second": warm["rows_per_second"].median(),
            "slowest": warm["rows_per_second"].min(),
            "fastest": warm["rows_per_second"].max(),
            "cold_seconds": cold["seconds"].first(),
            "model_loads": cold["model_loads"].first(),
            "mean_batch": warm["mean_batch"].median(),
            "bytes_to_python": warm["bytes_to_python"].median() / warm["rows"].first(),
        }
    ).reset_index()
    of_limit = [row.rows_per_second / limit.get((row.engine, row.precision), np.nan) for row in found.itertuples()]
    return found.assign(of_limit=of_limit).sort_values("rows_per_second", ascending=False, ignore_index=True)


def best(table: pd.DataFrame) -> dict[str, Any]:
    """The fastest combination, warm: strategy, engine, precision, rows_per_second."""
    first = summary(table).iloc[0]
    named = {name: str(first[name]) for name in ("strategy", "engine", "precision")}
    return {**named, "rows_per_second": round(float(first["rows_per_second"]), 1)}


def break_even(table: pd.DataFrame, session_seconds: float = 0.0) -> pd.DataFrame:
    """From how many rows on each strategy is faster than the plain Python loop on the same engine.

    Seconds are taken as fixed + rows x per_row. `per_row` is fitted to the medians of the warm runs by least squares; a
    cold run pays the same for each row and something before the first, its median distance from that line. A cold
    strategy also pays `session_seconds`, the start of Spark, which a plain script does not need.
    returns: engine, precision, strategy, kind (cold or warm), fixed (s), per_row (s), rows (1: always faster; infinite:
        never; not a number: the measurement does not tell), measured (bool: the point lies within what was measured,
        else it is extrapolated)
    """
    lines = {}
    for subject, runs in table[table["kind"].isin(("cold", "warm"))].groupby(SUBJECT):
        seconds = runs.groupby(["kind", "rows"])["seconds"].median()
        warm, cold = seconds["warm"], seconds["cold"]
        slope, fixed = np.polyfit(warm.index, warm, 1) if len(warm) > 1 else (np.nan, np.nan)
        slope = slope if slope > 0 else np.nan  # more rows cannot take less time: this is noise
        before = 0.0 if subject[2] == "python_loop" else session_seconds
        lines["warm", *subject] = fixed, slope
        lines["cold", *subject] = float(np.median(cold - slope * cold.index)) + before, slope
    found = []
    for (kind, engine, precision, strategy), (fixed, slope) in lines.items():
        plain = lines.get((kind, engine, precision, "python_loop"))
        if plain is None or strategy == "python_loop":
            continue
        rows = _crossing(fixed - plain[0], plain[1] - slope)
        within = table["rows"].min() <= rows <= table["rows"].max()
        found.append((engine, precision, strategy, kind, fixed, slope, rows, bool(within)))
    return pd.DataFrame(found, columns=[*SUBJECT, "kind", "fixed", "per_row", "rows", "measured"])


def _crossing(head_start: float, gain: float) -> float:
    """How many rows it takes to earn back `head_start` seconds at `gain` seconds a row."""
    if np.isnan(head_start) or np.isnan(gain):
        return np.nan
    if head_start <= 0 and gain >= 0:
        return 1.0
    return float(np.ceil(head_start / gain)) if gain > 0 else np.inf


def save(comparison: Comparison, bundle: Bundle, folder: Path, session_seconds: float = 0.0) -> dict[str, Any]:
    """Write run.json and timings.parquet, and return what run.json says."""
    table = timings(comparison)
    storage.write_whole(folder / "timings.parquet", table.to_parquet())
    told = {
        "best": best(table),
        "model": {
            "name": bundle.name,
            "sha256": bundle.sha256,
            "size": [bundle.height, bundle.width],
            "about": bundle.about,
        },
        "plan": asdict(comparison.plan),
        "agreements": comparison.agreements,
        "break_even": json.loads(break_even(table, session_seconds).to_json(orient="records")),
        "session_seconds": round(session_seconds, 2),
        "machine": machine.describe(),
        "versions": machine.versions(),
    }
    text = json.dumps(told, indent=2)
    storage.write_whole(folder / "run.json", text + "\n")
    return json.loads(text)  # as `load` gives it: lists for tuples


def load(folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read what `save` wrote. Raises `Problem` when there is nothing to read."""
    try:
        return pd.read_parquet(folder / "timings.parquet"), json.loads((folder / "run.json").read_text())
    except OSError as error:
        raise Problem(f"There is no comparison in {folder}.", f"Make one: inferlab compare --out {folder}.") from error


def report(table: pd.DataFrame, told: dict[str, Any]) -> str:
    """The comparison as text: the table, the agreements, the ancestor's way, the break-even points."""
    lines = [_TABLE.format(*_HEADINGS)]
    for row in summary(table).itertuples():
        cells = (
            f"{row.engine} {row.precision}",
            row.strategy,
            f"{row.rows_per_second:,.1f}",
            f"{row.slowest:,.0f} to {row.fastest:,.0f}",
            f"{row.cold_seconds:.1f}",
            row.model_loads,
            f"{row.mean_batch:.1f}",
            f"{row.bytes_to_python:,.0f}",
            "" if np.isnan(row.of_limit) else f"{row.of_limit:.2f}",
        )
        lines.append(_TABLE.format(*cells))
    lines += ["", *(_told_agreement(found) for found in told["agreements"])]
    lines += ["", *_told_trap(table), "", *_told_break_even(told["break_even"])]
    return "\n".join(lines)


_TABLE = "{:18} {:20} {:>8} {:>15} {:>7} {:>6} {:>6} {:>9} {:>9}"
_HEADINGS = ("engine", "strategy", "rows/s", "spread", "cold s", "loads", "batch", "sent/row", "of limit")


def _told_agreement(found: dict[str, Any]) -> str:
    return (
        f"{found['engine']} {found['precision']}: {found['label_agreement']:.2%} of {found['rows']} labels as Keras f32 says,"
        f" largest difference of a score {found['max_difference']:.1g}"
    )


def _told_trap(table: pd.DataFrame) -> Iterable[str]:
    for row in table[table["kind"] == "show"].itertuples():
        timed = f"{row.strategy} on {row.engine} {row.precision}, timed by show(1): {row.seconds:.2f} s"
        yield f"{timed}, and {row.rows_computed} of {row.rows} rows computed"


def _told_break_even(points: list[dict[str, Any]]) -> Iterable[str]:
    for point in points:
        who = f"{point['strategy']} on {point['engine']} {point['precision']}, {point['kind']}"
        if point["rows"] == 1:
            yield f"{who}: faster than the plain Python loop from the first row"
        elif point["rows"]:
            certain = "" if point["measured"] else " (extrapolated)"
            yield f"{who}: faster than the plain Python loop from {point['rows']:,.0f} rows on{certain}"


if __name__ == "__main__":
    print(report(*load(Path(sys.argv[1]))))
