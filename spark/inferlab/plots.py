"""Pictures of a comparison, with matplotlib and nothing else. This module does not measure.

Colours are those of Okabe and Ito (2008), which people with any kind of colour vision can tell apart.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from inferlab import results

ENGINE_COLOURS = {
    ("keras", "f32"): "#E69F00",
    ("keras_on_batch", "f32"): "#CC79A7",
    ("openvino", "f32"): "#56B4E9",
    ("openvino", "bf16"): "#0072B2",
}
STAGE_COLOURS = {
    "start": "#999999",
    "import": "#CC79A7",
    "load": "#D55E00",
    "read": "#F0E442",
    "decode": "#009E73",
    "predict": "#0072B2",
    "rest": "#DDDDDD",
}
MARKERS = "osD^vP*X"
INK = "#333333"


def comparison(table: pd.DataFrame, told: dict) -> Figure:
    """The whole comparison: how fast, from how many rows on, and where the time goes.

    table, told: as `results.load` gives them
    """
    shown = results.summary(table)
    height = 1.6 + 0.27 * len(shown)
    figure = Figure(figsize=(13, height + 4.6), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(height, 4.6))
    speeds, stages = top.subplots(1, 2, sharey=True, width_ratios=(1.15, 1))
    rows_per_second(speeds, table, shown)
    where_time_goes(stages, table, shown)
    for axes, kind in zip(bottom.subplots(1, 2, sharey=True), ("cold", "warm"), strict=True):
        seconds_by_rows(axes, table, kind, told["session_seconds"])
    machine = told["machine"]
    figure.suptitle(
        f"{told['model']['name']} on {machine['cores']} cores ({machine['processor']}), {shown['rows'].max():,} rows,"
        f" every row computed, f32 predictions equal",
        fontsize=11,
        color=INK,
    )
    return figure


def draw(picture: Callable[..., None], table: pd.DataFrame, *more, height: float = 4.2) -> Figure:
    """One of the pictures below by itself, for a notebook: `draw(where_time_goes, timings, summary)`. height: inches."""
    figure = Figure(figsize=(9, height), layout="constrained")
    picture(figure.subplots(), table, *more)
    return figure


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, at a size that a README shows well."""
    figure.savefig(path, dpi=110, facecolor="white", metadata={"Software": None})
    return path


def rows_per_second(axes: Axes, table: pd.DataFrame, shown: pd.DataFrame) -> None:
    """Bars: the median of the warm runs, with their spread; the diamond is the cold run, everything counted."""
    places = np.arange(len(shown))[::-1]
    colours = [_colour(row.engine, row.precision) for row in shown.itertuples()]
    spread = [shown["rows_per_second"] - shown["slowest"], shown["fastest"] - shown["rows_per_second"]]
    axes.barh(places, shown["rows_per_second"], 0.72, color=colours, xerr=spread, ecolor=INK, capsize=2.5)
    axes.plot(
        shown["rows"] / shown["cold_seconds"],
        places,
        "D",
        color="white",
        markeredgecolor=INK,
        markersize=5,
        label="cold",
    )
    reach = shown["fastest"].max()
    for place, row in zip(places, shown.itertuples(), strict=True):
        axes.text(row.fastest + 0.015 * reach, place, f"{row.rows_per_second:,.0f}", va="center", fontsize=8, color=INK)
    limits = table[table["kind"] == "limit"].groupby(results.SUBJECT[:2])["rows_per_second"].median()
    for (engine, precision), limit in limits.items():
        axes.axvline(limit, color=_colour(engine, precision), linestyle=":", linewidth=1.4)
    axes.set_xlim(0, max(reach, limits.max() if len(limits) else 0) * 1.12)
    _name_bars(axes, shown)
    axes.set_xlabel("rows a second, warm median and spread (dotted: plain processes, no Spark)", fontsize=8)
    axes.legend(loc="lower right", fontsize=8, frameon=False)
    _plain(axes, "How fast")


def where_time_goes(axes: Axes, table: pd.DataFrame, shown: pd.DataFrame) -> None:
    """Stacked shares of the warm time of all processes; the number is milliseconds of one process a row."""
    most = table[(table["rows"] == table["rows"].max()) & (table["kind"] == "warm")]
    spent = most.groupby(results.SUBJECT)[[f"{stage}_seconds" for stage in results.STAGES]].mean()
    for place, row in zip(np.arange(len(shown))[::-1], shown.itertuples(), strict=True):
        seconds = spent.loc[row.engine, row.precision, row.strategy]
        left = 0.0
        for stage in results.STAGES:
            share = 100 * seconds[f"{stage}_seconds"] / seconds.sum()
            label = stage if place == 0 else None
            axes.barh(place, share, 0.72, left=left, color=STAGE_COLOURS[stage], edgecolor="white", linewidth=0.4, label=label)
            left += share
        axes.text(101, place, f"{1000 * seconds.sum() / row.rows:,.1f} ms", va="center", fontsize=8, color=INK)
    axes.set_xlim(0, 112)
    _name_bars(axes, shown)
    axes.set_xlabel("% of the time of all processes, warm; at the end: milliseconds a row", fontsize=8)
    axes.legend(
        ncols=7,
        fontsize=7,
        frameon=False,
        loc="lower center",
        bbox_to_anchor=(0.46, 1.0),
        columnspacing=0.9,
        handlelength=1,
    )
    _plain(axes, "Where the time goes", above=18)


def seconds_by_rows(axes: Axes, table: pd.DataFrame, kind: str, session_seconds: float) -> None:
    """Lines: seconds against rows, one for each strategy; a ring where it overtakes the plain Python loop."""
    timed = table[table["kind"] == kind]
    points = results.break_even(table, session_seconds)
    strategies = list(dict.fromkeys(timed["strategy"]))
    for (engine, precision, strategy), runs in timed.groupby(results.SUBJECT, sort=False):
        extra = session_seconds if kind == "cold" and strategy != "python_loop" else 0.0
        seconds = runs.groupby("rows")["seconds"].median() + extra
        style = {"color": _colour(engine, precision), "marker": MARKERS[strategies.index(strategy) % len(MARKERS)]}
        plain = strategy == "python_loop"
        axes.plot(
            seconds.index,
            seconds,
            linestyle="--" if plain else "-",
            linewidth=2.2 if plain else 1.2,
            markersize=5,
            **style,
        )
        crossing = points[(points[results.SUBJECT] == [engine, precision, strategy]).all(axis=1) & (points["kind"] == kind)]
        for point in crossing[crossing["measured"] & (crossing["rows"] > 1)].itertuples():
            axes.plot(point.rows, point.fixed + point.rows * point.per_row, "o", markersize=13, fillstyle="none", color=INK)
    axes.set_xscale("log")
    axes.set_yscale("log")
    ticks = sorted(timed["rows"].unique())
    axes.set_xticks(ticks, [f"{rows:,}" for rows in ticks], fontsize=8)
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda seconds, _: f"{seconds:g}")
    axes.set_xlabel("rows (a ring: here it overtakes the plain Python loop, dashed)", fontsize=8)
    axes.set_ylabel("seconds", fontsize=8)
    axes.tick_params(labelleft=True)
    for strategy in strategies:
        axes.plot(
            [],
            [],
            color=INK,
            linestyle="none",
            marker=MARKERS[strategies.index(strategy) % len(MARKERS)],
            label=strategy,
        )
    for engine, precision in dict.fromkeys(zip(timed["engine"], timed["precision"], strict=True)):
        axes.plot([], [], color=_colour(engine, precision), linewidth=4, label=f"{engine} {precision}")
    if axes.get_subplotspec().is_last_col():
        axes.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    title = "Cold, with the start of Spark" if kind == "cold" else "Warm"
    _plain(axes, f"Seconds by rows: {title}")


def addresses_over_time(axes: Axes, table: pd.DataFrame) -> None:
    """Bars: which task held which GPU address, and when. A lane is an address; a bar is as high as the task's share of it.

    table: a row a task, with address, stage, task, began and ended (seconds on one clock); the share is one over the most
    tasks of the stage that held an address at once
    """
    table = table.sort_values("began", ignore_index=True)
    lanes = sorted(table["address"].unique(), key=lambda address: (len(address), address), reverse=True)
    zero, reach = table["began"].min(), table["ended"].max() - table["began"].min()
    for stage, tasks in table.groupby("stage", sort=False):
        rows = tasks.groupby("address", group_keys=False)[["began", "ended"]].apply(_rows)
        most = rows.max() + 1
        for row, held in zip(rows[tasks.index], tasks.itertuples(), strict=True):
            bottom = lanes.index(held.address) + 0.8 * row / most - 0.4
            bar = {"height": 0.8 / most, "align": "edge", "edgecolor": "white", "linewidth": 1.2}
            axes.barh(bottom, held.ended - held.began, left=held.began - zero, color=STAGE_COLOURS.get(stage, INK), **bar)
            middle = (held.began + held.ended) / 2 - zero
            axes.text(middle, bottom + 0.4 / most, held.task, ha="center", va="center", fontsize=8, color="white")
        label = f"{stage}: {most} at once on an address" if most > 1 else f"{stage}: alone on an address"
        axes.barh(0, 0, color=STAGE_COLOURS.get(stage, INK), label=label)
    for lane in range(len(lanes)):
        axes.axhspan(lane - 0.4, lane + 0.4, color=INK, alpha=0.06, linewidth=0, zorder=0)
    axes.set_yticks(range(len(lanes)), [f'address "{address}"' for address in lanes], fontsize=9)
    axes.set_ylim(-0.5, len(lanes) - 0.5)
    axes.set_xlim(-0.01 * reach, 1.01 * reach)
    axes.set_xlabel("seconds since the first task began (the number in a bar is the task's)", fontsize=8)
    axes.legend(ncols=2, fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)
    _plain(axes, "Which task held which address")
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def _rows(spans: pd.DataFrame) -> pd.Series:
    """The lowest row for each span in which no earlier one still lasts: the highest row is one less than the most at once."""
    ends: list[float] = []
    found = {}
    for span in spans.sort_values("began").itertuples():
        row = next((row for row, end in enumerate(ends) if end <= span.began), len(ends))
        ends[row : row + 1] = [span.ended]
        found[span.Index] = row
    return pd.Series(found)


def _name_bars(axes: Axes, shown: pd.DataFrame) -> None:
    names = [f"{row.strategy}\n{row.engine} {row.precision}" for row in shown.itertuples()]
    axes.set_yticks(np.arange(len(shown))[::-1], names, fontsize=7)


def _plain(axes: Axes, title: str, above: float = 6) -> None:
    axes.set_title(title, loc="left", fontsize=10, color=INK, pad=above, fontweight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)


def _colour(engine: str, precision: str) -> str:
    return ENGINE_COLOURS.get((engine, precision), INK)
