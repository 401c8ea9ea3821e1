"""The benchmark refuses to compare what cannot be compared, and sees through `show(1)`."""

import pytest
from pyspark.sql.functions import col

from inferlab import benchmark, strategies
from inferlab.benchmark import Plan
from inferlab.datasets import folders
from inferlab.errors import Problem

pytestmark = pytest.mark.timeout(300)
ENGINES = (("openvino", "f32"),)


@pytest.fixture(scope="module")
def files(flowers) -> list[str]:
    return folders.list_files(flowers)


@pytest.fixture(scope="module")
def comparison(spark, files, bundle):
    plan = Plan(rows=(20, 90), strategies=("python_loop", "row_udf", "map_in_arrow"), engines=ENGINES, repeats=2)
    return benchmark.compare(spark, files, bundle, plan)


def runs(comparison, **wanted) -> list[dict]:
    return [run for run in comparison.runs if all(run[key] == value for key, value in wanted.items())]


def test_every_combination_has_one_cold_and_its_warm_runs(comparison):
    for strategy in ("python_loop", "row_udf", "map_in_arrow"):
        for rows in (20, 90):
            assert len(runs(comparison, strategy=strategy, rows=rows, kind="cold")) == 1
            assert len(runs(comparison, strategy=strategy, rows=rows, kind="warm")) == 2


def test_every_row_is_counted_also_where_files_are_repeated(comparison):
    timed = runs(comparison, kind="cold") + runs(comparison, kind="warm")
    assert {(run["rows"], run["rows_computed"]) for run in timed} == {(20, 20), (90, 90)}


def test_the_model_is_loaded_in_cold_runs_and_only_there(comparison):
    assert all(run["model_loads"] == 0 for run in runs(comparison, kind="warm"))
    for run in runs(comparison, kind="cold", strategy="map_in_arrow", rows=90):
        assert 2 <= run["model_loads"] <= 3  # one for each slot; Spark may start a worker more when tasks follow closely
    assert all(run["import_seconds"] > 0 for run in runs(comparison, kind="cold"))


def test_batch_sizes_are_what_the_strategy_is_about(comparison):
    assert all(run["largest_batch"] == 1 for run in runs(comparison, kind="warm", strategy="row_udf"))
    assert all(run["largest_batch"] == 16 for run in runs(comparison, kind="warm", strategy="map_in_arrow", rows=90))


def test_bytes_to_python_are_paths_and_not_pixels(comparison):
    for run in runs(comparison, kind="warm", strategy="map_in_arrow", rows=90):
        assert 90 * 20 < run["bytes_to_python"] < 90 * 400


def test_show_computes_two_rows(comparison):
    shown = runs(comparison, kind="show")
    assert {run["strategy"] for run in shown} == {"row_udf", "pandas_udf"}
    assert all(run["rows"] == 90 and run["rows_computed"] == 2 for run in shown)


def test_the_limit_is_measured_without_spark(comparison):
    limits = runs(comparison, kind="limit")
    assert len(limits) == 2
    assert all(run["rows"] == 90 and run["seconds"] > 0 for run in limits)


def test_agreement_with_keras_is_measured_although_keras_was_not_compared(comparison):
    (found,) = comparison.agreements
    assert found["engine"] == "openvino"
    assert found["label_agreement"] == 1.0
    assert found["max_difference"] < 1e-5


def test_a_strategy_with_other_predictions_is_refused(spark, files, bundle, monkeypatch):
    def wrong(df, deployed):
        return strategies.map_in_arrow(df, deployed).withColumn("score", col("score") + 1e-4)

    monkeypatch.setitem(strategies.STRATEGIES, "wrong", wrong)
    with pytest.raises(Problem, match="wrong and map_in_arrow on openvino f32 disagree in 20 of 20 rows"):
        benchmark.compare(spark, files, bundle, Plan((20,), ("map_in_arrow", "wrong"), ENGINES, 1))


def test_a_strategy_that_loses_rows_is_refused(spark, files, bundle, monkeypatch):
    def lazy(df, deployed):
        return strategies.map_in_arrow(df.where("row < 7"), deployed)

    monkeypatch.setitem(strategies.STRATEGIES, "lazy", lazy)
    with pytest.raises(Problem, match="lazy on openvino computed 7 of 20 rows"):
        benchmark.compare(spark, files, bundle, Plan((20,), ("lazy",), ENGINES, 1))


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        ({"rows": (0,)}, "cannot be measured"),
        ({"strategies": ("fast",)}, "There is no strategy fast"),
        ({"repeats": 0}, "show nothing"),
    ],
)
def test_a_plan_that_measures_nothing_is_refused(plan, sentence):
    with pytest.raises(Problem, match=sentence):
        Plan(**plan)


def test_engines_and_precisions_pair_up():
    assert benchmark.pairs(("keras", "openvino"), ("f32",)) == (("keras", "f32"), ("openvino", "f32"))
    with pytest.raises(Problem, match="There is no engine 'tensorrt'"):
        benchmark.pairs(("tensorrt",), ("f32",))
    with pytest.raises(Problem, match="no bf16"):
        benchmark.pairs(("keras",), ("bf16",))
