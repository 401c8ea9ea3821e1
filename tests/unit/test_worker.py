"""The one loop behind every strategy: an answer for each row, and one predictor for each model."""

import os
import weakref
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inferlab import engines, worker
from inferlab.worker import Answers, Counts


@pytest.fixture(autouse=True)
def new_process(monkeypatch):
    """As if this process had no predictor yet."""
    monkeypatch.setattr(worker, "_predictors", {})


@pytest.fixture(scope="module")
def payload(bundle):
    found = engines.module("openvino").payload(bundle)
    return lambda: found


@pytest.fixture(scope="module")
def spec(bundle) -> engines.Spec:
    return engines.specify(bundle, "openvino", batch_size=4)


@pytest.fixture(scope="module")
def files(flowers) -> list[str]:
    return [str(path) for path in sorted(flowers.glob("*/*.jpg"))]


@pytest.fixture(scope="module")
def expected(bundle, pictures) -> np.ndarray:
    """What Keras says of all pictures, with none of our loop."""
    return bundle.keras_model().predict_on_batch(pictures)


def counted(spec, payload, sources) -> tuple[Answers, Counts]:
    reports = []
    answers = worker.answer(spec, payload, sources, reports.append)
    assert len(reports) == 1
    return answers, reports[0]


def test_each_row_has_the_answer_of_its_own_picture(spec, payload, files, expected):
    columns = worker.answer(spec, payload, files).columns()
    assert list(columns["label"]) == [spec.labels[best] for best in expected.argmax(axis=1)]
    assert np.abs(columns["score"].astype(float) - expected.max(axis=1)).max() < 1e-5
    assert list(columns["error"]) == [None] * len(files)
    assert len(set(columns["label"])) >= 3  # a model that always says the same would prove nothing


def test_good_and_bad_sources_of_every_kind_keep_their_order(spec, payload, files, pictures, expected, tmp_path):
    content = Path(files[1]).read_bytes()
    sources = [
        files[0], "/gone.jpg", content, b"", pictures[2], None, b"<html>", f"file:{files[3]}", str(tmp_path),
        content[: len(content) // 2], *files[4:9], b"no image", files[9],
    ]  # fmt: skip
    answers, counts = counted(spec, payload, sources)
    columns = answers.columns()
    good = [row for row, error in enumerate(columns["error"]) if error is None]
    assert good == [0, 2, 4, 7, 10, 11, 12, 13, 14, 16]
    labels = [spec.labels[best] for best in expected[:10].argmax(axis=1)]
    assert [columns["label"][row] for row in good] == labels
    assert np.abs(answers.values[good] - expected[:10]).max() < 1e-5
    reasons = {row: error.partition(":")[0] for row, error in enumerate(columns["error"]) if error}
    assert reasons == {
        1: "vanished", 3: "empty", 5: "empty", 6: "not_an_image", 8: "unreadable", 9: "truncated", 15: "not_an_image",
    }  # fmt: skip
    assert all(columns["label"][row] is None and columns["score"][row] is None for row in reasons)
    assert (counts.rows, counts.rejected) == (17, 7)
    assert counts.batches == Counter({4: 2, 2: 1})  # ten pictures, four at a time, whatever lies between them


def test_rejected_rows_cost_no_call_of_the_model(spec, payload):
    answers, counts = counted(spec, payload, [b"", "/gone.jpg", None])
    assert counts.batches == Counter()
    assert counts.rejected == 3
    assert list(answers.columns()["label"]) == [None] * 3


def test_no_rows_are_no_answers(spec, payload):
    answers, counts = counted(spec, payload, [])
    assert {name: len(values) for name, values in answers.columns().items()} == {"label": 0, "score": 0, "error": 0}
    assert (counts.rows, counts.rejected, counts.batches) == (0, 0, Counter())


@pytest.mark.parametrize("rows", [1, 3, 4, 5, 8, 9])
def test_batches_are_full_but_for_the_last(spec, payload, files, rows):
    _, counts = counted(spec, payload, files[:rows])
    assert counts.batches == Counter({4: rows // 4}) + Counter({rows % 4: 1} if rows % 4 else {})


def test_the_answers_do_not_depend_on_the_batch_size(spec, payload, files, expected):
    for batch_size in (1, 7, 16, 100):
        values = worker.answer(replace(spec, batch_size=batch_size), payload, files).values
        assert np.abs(values - expected).max() < 1e-5


def test_time_is_counted_by_stage(spec, payload, files):
    _, first = counted(spec, payload, files[:8])
    assert set(first.seconds) == set(worker.STAGES)
    assert all(seconds >= 0 for seconds in first.seconds.values())
    assert first.seconds["load"] > 0
    _, second = counted(spec, payload, files[:8])
    assert set(second.seconds) == {"read", "decode", "predict"}
    _, third = counted(spec, payload, [Path(files[0]).read_bytes()])
    assert "read" not in third.seconds


def test_counts_add_up():
    a = Counts(3, 1, 1, Counter({4: 1}), Counter({"read": 0.5}))
    b = Counts(4, 0, 0, Counter({4: 1, 2: 1}), Counter({"read": 0.25, "load": 1.0}))
    assert a + b == Counts(7, 1, 1, Counter({4: 2, 2: 1}), Counter({"read": 0.75, "load": 1.0}))


def test_a_predictor_is_loaded_once_and_kept(spec, payload, files):
    asked = []

    def counting():
        asked.append(1)
        return payload()

    loads = [counted(spec, counting, files[:2])[1].loads for _ in range(3)]
    assert loads == [1, 0, 0]
    assert len(asked) == 1  # reading the broadcast is what it saves


def test_a_new_model_of_the_same_name_takes_the_place_of_the_old_one(spec, payload):
    old = weakref.ref(worker.predictor(spec, payload, Counts()))
    assert old() is not None
    still_there = []

    def new_payload():
        still_there.append(old())
        return payload()

    counts = Counts()
    worker.predictor(replace(spec, sha256="f" * 64), new_payload, counts)
    assert counts.loads == 1
    assert still_there == [None]  # gone before the new one is loaded: two models never share the memory
    worker.predictor(spec, payload, counts)
    assert counts.loads == 2


def test_the_predictor_that_was_not_used_for_longest_makes_room(spec, payload):
    specs = [replace(spec, bundle=f"model {n}") for n in range(worker.MAX_PREDICTORS + 1)]
    counts = Counts()
    for each in specs[:-1]:
        worker.predictor(each, payload, counts)
    worker.predictor(specs[0], payload, counts)  # used again, so the second is now the oldest
    assert counts.loads == worker.MAX_PREDICTORS
    worker.predictor(specs[-1], payload, counts)
    assert counts.loads == worker.MAX_PREDICTORS + 1
    for each in (specs[0], *specs[2:]):
        worker.predictor(each, payload, counts)
    assert counts.loads == worker.MAX_PREDICTORS + 1
    worker.predictor(specs[1], payload, counts)
    assert counts.loads == worker.MAX_PREDICTORS + 2


def test_a_model_that_cannot_be_loaded_leaves_no_broken_predictor(spec, payload, files):
    def broken():
        raise OSError("the broadcast is gone")

    with pytest.raises(OSError, match="broadcast"):
        worker.answer(spec, broken, files[:1])
    assert counted(spec, payload, files[:1])[1].loads == 1


def test_an_embedding_has_a_vector_for_each_good_row(spec):
    embedding = replace(spec, output="embedding", labels=(), values=3)
    values = np.arange(9, dtype=np.float32).reshape(3, 3)
    columns = Answers(embedding, values, np.array([None, "empty: 0 bytes", None], object)).columns()
    assert list(columns) == ["embedding", "error"]
    assert list(columns["error"]) == [None, "empty: 0 bytes", None]
    assert columns["embedding"][1] is None
    assert columns["embedding"][0].tolist() == [0, 1, 2]
    assert columns["embedding"][2].tolist() == [6, 7, 8]
    assert columns["embedding"][2].dtype == np.float32


def test_a_process_without_a_task_is_given_no_gpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    assert worker.claim_gpu() is None
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "5"
