"""Every way through Spark gives the answers of the plain loop: for good files, broken ones, and odd shapes of data."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from inferlab import strategies
from inferlab.datasets import folders
from inferlab.deployment import Deployed, deploy
from inferlab.models.importing import import_model
from inferlab.strategies import STRATEGIES

pytestmark = pytest.mark.timeout(180)
ODD_NAMES = ("two words.jpg", "50% off %20.jpg", "größe-花-🌻.jpg", "a#b&c=d+e.jpg", "it's.jpg", "[x]{y}.jpg")
every_strategy = pytest.mark.parametrize("strategy", STRATEGIES)


@pytest.fixture(scope="module")
def files(broken_flowers, flowers, tmp_path_factory) -> list[str]:
    """Flowers, odd and broken files of every kind, odd names, and one that is gone."""
    odd = tmp_path_factory.mktemp("odd names %41 ü")
    for name, flower in zip(ODD_NAMES, sorted(flowers.glob("*/*.jpg"))[::7], strict=False):
        shutil.copy(flower, odd / name)
    return [*folders.list_files(broken_flowers), *folders.list_files(odd), str(odd / "gone.jpg")]


@pytest.fixture(scope="module")
def deployed(spark, bundle) -> Callable[[str], Deployed]:
    """The bundle on one engine, sent to the workers once."""
    sent: dict[str, Deployed] = {}

    def on(engine: str = "openvino") -> Deployed:
        if engine not in sent:
            sent[engine] = deploy(spark, bundle, engine)
        sent[engine].reset()
        return sent[engine]

    yield on
    for each in sent.values():
        each.close()


@pytest.fixture(scope="module")
def reference(spark, deployed, files) -> pd.DataFrame:
    return run("python_loop", folders.to_dataframe(spark, files, 3), deployed())


def run(strategy: str, df, deployed: Deployed) -> pd.DataFrame:
    return STRATEGIES[strategy](df, deployed).toPandas().sort_values("row").reset_index(drop=True)


def assert_same(found: pd.DataFrame, reference: pd.DataFrame) -> None:
    assert list(found["row"]) == list(reference["row"])
    assert list(found["error"].fillna("")) == list(reference["error"].fillna(""))
    assert list(found["label"].fillna("")) == list(reference["label"].fillna(""))
    assert list(found["score"].isna()) == list(reference["score"].isna())
    scores = [table["score"].astype(float).fillna(0).to_numpy() for table in (found, reference)]
    assert np.abs(scores[0] - scores[1]).max(initial=0) <= 1e-5


def test_the_reference_scores_and_rejects_what_was_planted(reference, files, broken_flowers):
    assert list(reference["path"]) == files
    planted = json.loads((broken_flowers / "_manifest.json").read_text())["planted"]
    assert len({entry["kind"] for entry in planted}) == 9
    expected = {str(broken_flowers / entry["path"]): entry["reason"] for entry in planted if entry["reason"]}
    expected[files[-1]] = "vanished"
    rejected = reference[reference["error"].notna()]
    assert {row.path: row.error.partition(":")[0] for row in rejected.itertuples()} == expected
    assert rejected[["label", "score"]].isna().all(axis=None)
    assert reference["label"].nunique() >= 3  # a model that always says the same would prove nothing


@pytest.mark.parametrize("engine", ["openvino", "keras"])
@every_strategy
def test_every_strategy_gives_the_same_answers_and_computes_every_row_once(spark, deployed, files, reference, engine, strategy):
    on = deployed(engine)
    found = run(strategy, folders.to_dataframe(spark, files, 3), on)
    assert list(found.columns) == ["row", "path", "label", "score", "error"]
    assert_same(found, reference)
    counts = on.counts().values()
    rejected = int(reference["error"].notna().sum())
    assert sum(count.rows for count in counts) == len(files)
    assert sum(count.rejected for count in counts) == rejected
    assert sum(size * times for count in counts for size, times in count.batches.items()) == len(files) - rejected


@every_strategy
def test_content_gives_the_answers_of_the_path(spark, deployed, broken_flowers, files, reference, strategy):
    odd = Path(files[-1]).parent
    df = spark.createDataFrame(list(enumerate(files)), "row bigint, listed string")
    read = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
    # A glob takes the brackets and braces of a name for its own, so folders are named, not files.
    contents = read.load([str(broken_flowers), f"{odd.parent}/{odd.name.replace('%', '?')}"])
    both = df.join(contents, contents["path"].endswith(df["listed"])).select("row", "path", "content")
    on = deployed()
    found = run(strategy, both, on)
    assert list(found.columns) == ["row", "path", "content", "label", "score", "error"]
    # Spark's own listing has no row for a file that is gone, and none for an empty one either.
    listed = ~reference["error"].fillna("").str.contains("^vanished|^empty")
    assert listed.sum() == len(files) - 2
    assert_same(found, reference[listed])
    assert sum(count.rows for count in on.counts().values()) == len(files) - 2
    assert sum(count.seconds["read"] for count in on.counts().values()) == 0  # what was sent is used, the file is not


@every_strategy
def test_the_paths_that_spark_lists_can_be_read(spark, deployed, files, reference, strategy):
    odd = Path(files[-1]).parent
    rows = {path: row for row, path in enumerate(files)}
    listed = spark.read.format("binaryFile").load(str(odd.parent / odd.name.replace("%", "?"))).select("path").toPandas()
    assert len(listed) == len(ODD_NAMES)
    assert listed["path"].str.startswith("file:").all()
    listed["row"] = [rows[path.removeprefix("file:")] for path in listed["path"]]
    found = run(strategy, spark.createDataFrame(listed), deployed())
    assert_same(found, reference[reference["path"].isin(listed["path"].str.removeprefix("file:"))])


@every_strategy
@pytest.mark.parametrize(("rows", "partitions"), [(3, 8), (1, 1), (0, 1), (0, 4)])
def test_partitions_may_be_empty(spark, deployed, files, reference, strategy, rows, partitions):
    df = spark.createDataFrame(list(enumerate(files[:rows])), "row bigint, path string").repartition(partitions)
    found = run(strategy, df, deployed())
    assert list(found.columns) == ["row", "path", "label", "score", "error"]
    assert_same(found, reference.head(rows))


@every_strategy
def test_a_row_with_neither_path_nor_content_is_a_row_with_an_error(spark, deployed, files, reference, strategy):
    df = spark.createDataFrame([(0, files[0]), (1, None), (2, files[2])], "row bigint, path string").coalesce(1)
    found = run(strategy, df, deployed())
    assert found["error"][1].startswith("empty")
    assert found.loc[1, ["label", "score"]].isna().all()
    assert list(found["label"][[0, 2]]) == list(reference["label"][[0, 2]])


@every_strategy
def test_the_other_columns_come_through_untouched(spark, deployed, files, strategy):
    df = spark.createDataFrame(list(enumerate(files[:2])), "row bigint, path string").selectExpr(
        "array(row, 7) as list", "row", "path", "named_struct('a', cast(null as int)) as inner", "date'2026-11-21' as day"
    )
    answered = STRATEGIES[strategy](df, deployed())
    assert answered.columns == [*df.columns, "label", "score", "error"]
    assert [answered.schema[name].dataType for name in df.columns] == [df.schema[name].dataType for name in df.columns]
    assert sorted(answered.select(df.columns).collect()) == sorted(df.collect())


@pytest.fixture(scope="module")
def embedding(spark, bundle, tmp_path_factory) -> Deployed:
    folder = tmp_path_factory.mktemp("models")
    # Its own preprocessing comes on top of that of the bundle; what the numbers mean does not matter here.
    cut = import_model(bundle.graph, "cut", cut=True, models=folder)
    sent = deploy(spark, cut, "openvino")
    yield sent
    sent.close()


@every_strategy
def test_embeddings_come_through_every_strategy(spark, embedding, files, strategy):
    some = [*files[:20], files[-1]]
    found = run(strategy, folders.to_dataframe(spark, some, 2), embedding)
    expected = embedding.answer_on_driver(some)
    assert list(found.columns) == ["row", "path", "embedding", "error"]
    assert list(found["error"].fillna("")) == [error or "" for error in expected.errors]
    assert found["embedding"].isna().tolist() == [bool(error) for error in expected.errors]
    for row in np.flatnonzero(found["embedding"].notna()):
        assert found["embedding"][row].dtype == np.float32
        assert np.abs(found["embedding"][row] - expected.values[row]).max() < 1e-4 * (1 + np.abs(expected.values).max())


def test_strategies_are_named_as_they_are_documented():
    assert list(STRATEGIES) == [
        "python_loop", "row_udf", "row_udf_arrow", "pandas_udf", "pandas_udf_iterator", "predict_batch_udf",
        "map_in_arrow", "decoded_parquet",
    ]  # fmt: skip
    assert all(getattr(strategies, name) is strategy for name, strategy in STRATEGIES.items())


@pytest.mark.parametrize(
    ("strategy", "largest"),
    [("row_udf", 1), ("row_udf_arrow", 1), ("pandas_udf", 16), ("pandas_udf_iterator", 16), ("map_in_arrow", 16)],
)
def test_the_model_sees_batches_of_the_size_that_a_strategy_is_about(spark, deployed, flowers, strategy, largest):
    on = deployed()
    run(strategy, folders.to_dataframe(spark, folders.list_files(flowers), 1), on)
    (counts,) = on.counts().values()
    assert max(counts.batches) == largest
    assert sum(counts.batches.values()) == (60 if largest == 1 else 4)
