"""Every engine says what Keras says, and a compiled one needs no Keras to say it."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from inferlab import engines
from inferlab.errors import Problem


@pytest.fixture(scope="module")
def pixels(pictures) -> np.ndarray:
    return pictures[::3][:16].copy()


@pytest.fixture(scope="module")
def predictors(bundle) -> dict:
    """Each engine, built as a worker builds it."""
    found = {}
    for engine in engines.ENGINES:
        spec, module = engines.specify(bundle, engine), engines.module(engine)
        payload = module.payload(bundle)
        module.prepare(spec.threads)
        found[engine] = module.load(payload, spec)
    return found


@pytest.mark.parametrize("rows", [1, 5, 16])
@pytest.mark.parametrize("engine", engines.ENGINES)
def test_every_engine_says_what_the_model_says(bundle, predictors, pixels, engine, rows):
    expected = bundle.keras_model()(pixels[:rows], training=False).numpy()
    found = predictors[engine](pixels[:rows])
    assert found.shape == (rows, 5)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-5
    assert len(set(expected.argmax(axis=1))) > 1 or rows == 1  # a model that always says the same would prove nothing


@pytest.mark.parametrize("engine", engines.ENGINES)
def test_sizes_may_come_in_any_order(predictors, pixels, engine):
    whole = np.array(predictors[engine](pixels))
    for rows in (3, 16, 1, 16, 3):
        assert np.abs(predictors[engine](pixels[:rows]) - whole[:rows]).max() < 1e-5


@pytest.mark.parametrize("engine", engines.ENGINES)
def test_a_bundle_that_is_not_square_runs(engine, tmp_path):
    from inferlab import libraries
    from inferlab.models.bundle import save_bundle

    layers = libraries.keras().layers
    pixels = layers.Input((24, 40, 3), dtype="uint8")
    features = layers.Flatten()(layers.AveragePooling2D(8)(layers.Rescaling(1 / 255)(pixels)))
    model = libraries.keras().Model(pixels, features)
    bundle = save_bundle(model, "wide", tmp_path)
    spec, module = engines.specify(bundle, engine), engines.module(engine)
    batch = np.random.default_rng(1).integers(0, 256, (3, 24, 40, 3), np.uint8)
    found = module.load(module.payload(bundle), spec)(batch)
    assert spec.values == 3 * 5 * 3
    assert np.abs(found - model.predict_on_batch(batch)).max() < 1e-5


def test_lower_precision_is_nearly_the_same(bundle, predictors, pixels):
    module = engines.module("openvino")
    if "bf16" not in module.precisions():
        pytest.skip("this CPU does not compute in bf16")
    low = module.load(module.payload(bundle), engines.specify(bundle, "openvino", "bf16"))(pixels)
    exact = predictors["openvino"](pixels)
    assert 0 < np.abs(low - exact).max() < 0.5
    assert np.abs(low.sum(axis=1) - 1).max() < 0.02


def test_the_compiled_form_is_kept_in_the_bundle(bundle, predictors):
    folder = bundle.engine_folder("openvino")
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    engines.module("openvino").payload(bundle)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert before.keys() == {"model.xml", "model.bin"}


SCORE = """
import json, sys
from inferlab import engines, worker
from inferlab.models.bundle import open_bundle

bundle = open_bundle(sys.argv[1])
spec = engines.specify(bundle, "openvino", "auto")
answers = worker.answer(spec, lambda: engines.module("openvino").payload(bundle), sys.argv[2:])
modules = [name for name in ("keras", "tensorflow", "torch", "pyspark", "pandas", "PIL") if name in sys.modules]
print(json.dumps({"labels": list(answers.columns()["label"]), "modules": modules}))
"""


def test_scoring_with_a_compiled_form_imports_no_training_library_and_no_spark(bundle, predictors, flowers):
    files = [str(path) for path in sorted(flowers.glob("*/*.jpg"))[:3]]
    found = subprocess.run(
        [sys.executable, "-c", SCORE, str(bundle.folder), *files], capture_output=True, text=True, check=True
    )
    said = json.loads(found.stdout)
    assert len(said["labels"]) == 3
    assert set(said["labels"]) <= set(bundle.labels)
    assert said["modules"] == []


def test_what_a_worker_is_sent_has_no_code_in_it(bundle):
    payload = engines.module("keras").payload(bundle)
    assert isinstance(json.loads(payload["architecture"]), dict)
    assert all(type(weights) is np.ndarray and weights.dtype == np.float32 for weights in payload["weights"])
    payload = engines.module("openvino").payload(bundle)
    assert payload["structure"].startswith(b"<?xml")
    assert type(payload["weights"]) is bytes


@pytest.mark.parametrize(
    ("engine", "precision", "what", "cure"),
    [
        ("onnx", "f32", "no engine 'onnx'", "openvino"),
        ("openvino", "int3", "no precision 'int3'", "bf16"),
        ("keras", "bf16", "The engine keras has no bf16", "--precision f32"),
    ],
)
def test_what_an_engine_does_not_have_is_a_problem(bundle, engine, precision, what, cure):
    with pytest.raises(Problem, match=what) as caught:
        engines.specify(bundle, engine, precision)
    assert cure in caught.value.cure


@pytest.mark.parametrize("engine", engines.ENGINES)
def test_auto_takes_the_fastest_precision_that_is_there(bundle, engine):
    offered = engines.module(engine).precisions()
    assert engines.specify(bundle, engine, "auto").precision == ("bf16" if "bf16" in offered else "f32")


def test_the_spec_says_what_the_bundle_says(bundle):
    spec = engines.specify(bundle, "openvino", threads=3, batch_size=4)
    assert (spec.bundle, spec.sha256, spec.labels, spec.values) == ("flowers", bundle.sha256, bundle.labels, 5)
    assert (spec.threads, spec.batch_size, spec.precision) == (3, 4, "f32")
    assert spec.slot == replace(spec, sha256="another model of the same name").slot
    assert spec.slot != replace(spec, threads=1).slot


def test_threads_are_told_to_the_libraries(monkeypatch):
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    for name in names:
        monkeypatch.setenv(name, "99")
    engines.limit_threads(2)
    assert [os.environ[name] for name in names] == ["2", "2", "2"]
