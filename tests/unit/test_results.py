"""From runs to conclusions: medians, break-even points, and files that come back as they went."""

import numpy as np
import pandas as pd
import pytest

from inferlab import plots, results
from inferlab.benchmark import Comparison, Plan
from inferlab.errors import Problem

RATES = {"python_loop": 0.02, "map_in_arrow": 0.005, "row_udf": 0.04}  # seconds a row, warm
BEFORE = {"python_loop": 1.0, "map_in_arrow": 4.0, "row_udf": 4.0}  # seconds before the first row, cold


@pytest.fixture
def comparison() -> Comparison:
    runs = []
    for strategy, rate in RATES.items():
        for rows in (100, 400):
            seconds = {("cold", 0): BEFORE[strategy] + rate * rows}
            seconds |= {("warm", repeat): rate * rows * (0.9, 1.0, 1.3)[repeat] for repeat in range(3)}
            for (kind, repeat), spent in seconds.items():
                run = {name: 0.0 for name in results.COLUMNS}
                run |= {
                    "kind": kind,
                    "engine": "keras",
                    "precision": "f32",
                    "strategy": strategy,
                    "rows": rows,
                    "repeat": repeat,
                }
                run |= {
                    "seconds": spent,
                    "rows_per_second": rows / spent,
                    "rows_computed": rows,
                    "model_loads": float(kind == "cold"),
                }
                runs.append(run | {"predict_seconds": spent * 0.7, "rest_seconds": spent * 0.3})
    limit = {name: 0.0 for name in results.COLUMNS} | {"kind": "limit", "engine": "keras", "precision": "f32", "repeat": 0}
    runs.append(
        limit | {"strategy": "plain_processes", "rows": 400, "rows_computed": 400, "seconds": 1.6, "rows_per_second": 250.0}
    )
    runs.append(runs[0] | {"kind": "show", "strategy": "row_udf", "rows": 400, "seconds": 0.2, "rows_computed": 2})
    return Comparison(
        Plan(rows=(100, 400)),
        runs,
        [{"engine": "keras", "precision": "f32", "rows": 400, "label_agreement": 1.0, "max_difference": 0.0}],
    )


@pytest.fixture
def table(comparison) -> pd.DataFrame:
    return results.timings(comparison)


def test_the_summary_takes_medians_at_the_largest_number_of_rows(table):
    shown = results.summary(table).set_index("strategy")
    assert list(shown.index) == ["map_in_arrow", "python_loop", "row_udf"]
    assert shown.loc["map_in_arrow", "rows_per_second"] == pytest.approx(200)
    assert shown.loc["map_in_arrow", "slowest"] == pytest.approx(200 / 1.3)
    assert shown.loc["map_in_arrow", "cold_seconds"] == pytest.approx(4 + 2)
    assert shown.loc["map_in_arrow", "of_limit"] == pytest.approx(0.8)


def test_break_even_is_where_the_lines_cross(table):
    points = results.break_even(table, session_seconds=3.0).set_index(["strategy", "kind"])
    # 1 + 0.02 n = 3 + 4 + 0.005 n
    assert points.loc[("map_in_arrow", "cold"), "rows"] == 400
    assert points.loc[("map_in_arrow", "cold"), "measured"]
    assert points.loc[("map_in_arrow", "warm"), "rows"] == 1
    assert points.loc[("row_udf", "cold"), "rows"] == np.inf


def test_one_number_of_rows_makes_no_line(table):
    points = results.break_even(table[table["rows"] == 400])
    assert points["rows"].isna().all()


def test_noise_that_makes_more_rows_take_less_time_gives_no_break_even(table):
    table.loc[(table["rows"] == 400) & (table["strategy"] == "map_in_arrow"), "seconds"] = 0.1
    points = results.break_even(table).set_index(["strategy", "kind"])
    assert np.isnan(points.loc[("map_in_arrow", "warm"), "rows"])


def test_files_come_back_as_they_went(comparison, bundle, tmp_path):
    told = results.save(comparison, bundle, tmp_path / "out", session_seconds=3.0)
    table, again = results.load(tmp_path / "out")
    assert again == told
    pd.testing.assert_frame_equal(table, results.timings(comparison))
    assert told["best"] == {"strategy": "map_in_arrow", "engine": "keras", "precision": "f32", "rows_per_second": 200.0}


def test_the_report_shows_the_trap_and_the_break_even(comparison, bundle, tmp_path):
    text = results.report(results.timings(comparison), results.save(comparison, bundle, tmp_path, 3.0))
    assert "2 of 400 rows computed" in text
    assert "map_in_arrow on keras f32, cold: faster than the plain Python loop from 400 rows on" in text
    assert "100.00% of 400 labels" in text


def test_nothing_to_load_is_a_sentence(tmp_path):
    with pytest.raises(Problem, match="There is no comparison"):
        results.load(tmp_path)


def test_the_chart_has_a_bar_for_each_combination(comparison, bundle, tmp_path):
    told = results.save(comparison, bundle, tmp_path, 3.0)
    figure = plots.comparison(results.timings(comparison), told)
    titles = [axes.get_title(loc="left") for axes in figure.get_axes()]
    assert titles[:2] == ["How fast", "Where the time goes"]
    bars = [patch.get_width() for patch in figure.get_axes()[0].patches]
    assert bars == pytest.approx([200, 50, 25])
    picture = plots.save(figure, tmp_path / "chart.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
