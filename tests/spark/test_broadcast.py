"""A model travels once to each worker, whatever its size, and never inside a function."""

import numpy as np
import pytest
from pyspark.serializers import CloudPickleSerializer

from inferlab import libraries
from inferlab.datasets import folders
from inferlab.deployment import Deployed, deploy
from inferlab.models.bundle import Bundle, save_bundle
from inferlab.strategies import STRATEGIES

pytestmark = pytest.mark.timeout(180)
IN_SPARK = [name for name in STRATEGIES if name != "python_loop"]
LABELS = ("a", "b")


@pytest.fixture(scope="module")
def files(flowers) -> list[str]:
    return folders.list_files(flowers)


@pytest.fixture(scope="module")
def heavy(storage_folder) -> Bundle:
    """A model with 25 million weights, 100 MB."""
    keras = libraries.keras()
    pixels = keras.Input((32, 32, 3), dtype="uint8")
    features = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(pixels))
    for _ in range(2):
        features = keras.layers.Dense(5000, activation="relu")(features)
    model = keras.Model(pixels, keras.layers.Dense(len(LABELS), activation="softmax")(features))
    assert model.count_params() > 25_000_000
    return save_bundle(model, "heavy", labels=LABELS)


@pytest.fixture(scope="module")
def sent(spark, heavy) -> Deployed:
    deployed = deploy(spark, heavy, "openvino")
    yield deployed
    deployed.close()


def score(spark, deployed: Deployed, files: list[str], strategy: str = "map_in_arrow") -> list[str]:
    deployed.reset()
    df = folders.to_dataframe(spark, files, 6)
    # Sorted here: Spark's own sort runs everything below it twice, the first time to draw a sample.
    return STRATEGIES[strategy](df, deployed).toPandas().sort_values("row")["label"].tolist()


@pytest.mark.parametrize("strategy", IN_SPARK)
def test_the_function_that_spark_sends_with_each_task_is_small_however_large_the_model(
    spark, sent, files, strategy, monkeypatch
):
    sizes = []
    pickle = CloudPickleSerializer.dumps

    def measured(self, command):
        pickled = pickle(self, command)
        sizes.append(len(pickled))
        return pickled

    df = folders.to_dataframe(spark, files[:2], 1)
    monkeypatch.setattr(CloudPickleSerializer, "dumps", measured)
    STRATEGIES[strategy](df, sent)
    assert sizes
    assert max(sizes) < 100_000


@pytest.mark.parametrize("engine", ["openvino", "keras"])
def test_what_is_broadcast_is_the_whole_model(spark, sent, heavy, engine):
    payload = sent.broadcast.value if engine == "openvino" else deploy(spark, heavy, engine).broadcast.value
    sizes = [len(payload["weights"])] if engine == "openvino" else [weights.nbytes for weights in payload["weights"]]
    assert sum(sizes) >= 100_000_000


def test_each_worker_reads_the_broadcast_once_and_keeps_the_model_for_the_next_job(spark, sent, files):
    first = score(spark, sent, files)
    workers = sent.counts()
    assert workers
    assert {name: count.loads for name, count in workers.items()} == dict.fromkeys(workers, 1)
    assert sum(count.rows for count in workers.values()) == len(files)
    second = score(spark, sent, files)
    again = sent.counts()
    # Spark may start one more worker at any time; those that have the model do not load it again.
    assert sum(again[name].loads for name in again.keys() & workers.keys()) == 0
    assert len(again.keys() | workers.keys()) <= 3
    assert second == first


def test_every_strategy_finds_the_model_that_another_one_loaded(spark, sent, files):
    workers = {}
    for strategy in IN_SPARK:
        score(spark, sent, files, strategy)
        for name, count in sent.counts().items():
            workers.setdefault(name, []).append(count.loads)
    # Once in each process, in this test or before it. Spark ends processes that nobody needs, and starts others.
    assert all(sum(loads[1:]) == 0 for loads in workers.values())
    assert sum(len(loads) for loads in workers.values()) >= len(IN_SPARK)


def test_the_workers_are_those_of_spark_and_not_the_driver(spark, sent, files):
    from inferlab import worker

    score(spark, sent, files)
    assert worker.name() not in sent.counts()
    score(spark, sent, files, "python_loop")
    assert list(sent.counts()) == [worker.name()]


def test_a_new_model_of_the_same_name_is_loaded_in_place_of_the_old_one(spark, make_bundle, files):
    answers = []
    for seed in (1, 2):
        deployed = deploy(spark, make_bundle("renewed", seed), "openvino")
        answers.append(score(spark, deployed, files))
        workers = deployed.counts()
        assert {name: count.loads for name, count in workers.items()} == dict.fromkeys(workers, 1)
        expected = deployed.answer_on_driver(files).columns()["label"].tolist()
        assert answers[-1] == expected
        deployed.close()
    assert np.mean([a != b for a, b in zip(*answers, strict=True)]) > 0.2


def test_counters_are_those_of_the_last_reset(spark, bundle, files):
    deployed = deploy(spark, bundle, "openvino")
    score(spark, deployed, files[:7])
    assert sum(count.rows for count in deployed.counts().values()) == 7
    STRATEGIES["row_udf"](folders.to_dataframe(spark, files[:4], 2), deployed).toPandas()
    assert sum(count.rows for count in deployed.counts().values()) == 11
    deployed.reset()
    assert deployed.counts() == {}
    deployed.close()
