"""A bundle is what was saved, and nothing else passes for one."""

import json
import re
import shutil

import numpy as np
import pytest

from inferlab import libraries
from inferlab.errors import Problem
from inferlab.models.bundle import Bundle, open_bundle, save_bundle


def network(size=(8, 8, 3), dtype="uint8", outputs=2):
    layers = libraries.keras().layers
    pixels = layers.Input(size, dtype=dtype)
    features = layers.GlobalAveragePooling2D()(layers.Rescaling(1 / 255)(pixels))
    return libraries.keras().Model(pixels, layers.Dense(outputs, activation="softmax")(features))


@pytest.fixture
def copy(bundle, tmp_path) -> Bundle:
    """The bundle of all tests, in a folder where it may be spoilt."""
    shutil.copytree(bundle.folder, tmp_path / "flowers")
    return open_bundle("flowers", tmp_path)


def describe(bundle: Bundle, **changes) -> None:
    file = bundle.folder / "bundle.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_what_is_opened_is_what_was_saved(tmp_path):
    model = network(outputs=3)
    saved = save_bundle(model, "colours", tmp_path, labels=("red", "grün", "two words"), about={"why": "to test"})
    opened = open_bundle("colours", tmp_path)
    assert opened == saved
    assert opened.name == "colours"
    assert (opened.kind, opened.output, opened.embedding_width) == ("image", "probabilities", 0)
    assert (opened.height, opened.width) == (8, 8)
    assert opened.labels == ("red", "grün", "two words")
    assert opened.about["why"] == "to test"
    assert opened.about["parameters"] == model.count_params()
    assert opened.about["versions"]["keras"]
    pixels = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)
    assert np.array_equal(opened.keras_model().predict_on_batch(pixels), model.predict_on_batch(pixels))


def test_without_labels_it_is_an_embedding(tmp_path):
    opened = save_bundle(network(outputs=7), "vectors", tmp_path)
    assert (opened.output, opened.labels, opened.embedding_width) == ("embedding", (), 7)


def test_height_and_width_are_not_mixed_up(tmp_path):
    opened = save_bundle(network(size=(8, 12, 3)), "wide", tmp_path, labels=("a", "b"))
    assert (opened.height, opened.width) == (8, 12)


def test_it_can_be_opened_by_its_folder(bundle):
    assert open_bundle(str(bundle.folder)) == bundle


def test_the_storage_is_where_models_are_looked_for(bundle, storage_folder):
    assert open_bundle("flowers") == bundle
    assert bundle.folder == storage_folder / "models" / "flowers"


def test_an_unknown_name_lists_those_that_are_there(tmp_path):
    with pytest.raises(Problem, match=r"There is no model 'rose' in .*There are none yet") as caught:
        open_bundle("rose", tmp_path)
    assert "inferlab train" in caught.value.cure
    for name in ("b", "a"):
        save_bundle(network(), name, tmp_path, labels=("x", "y"))
    (tmp_path / "no model").mkdir()
    with pytest.raises(Problem, match=r"There are: a, b\."):
        open_bundle("rose", tmp_path)


def test_a_new_model_replaces_the_old_one_and_its_compiled_forms(copy):
    (copy.engine_folder("openvino")).mkdir(parents=True, exist_ok=True)
    new = save_bundle(network(), "flowers", copy.folder.parent, labels=("x", "y"))
    assert open_bundle("flowers", copy.folder.parent) == new
    assert new.sha256 != copy.sha256
    assert sorted(path.name for path in copy.folder.iterdir()) == ["bundle.json", "model.keras"]
    assert [path.name for path in copy.folder.parent.iterdir()] == ["flowers"]


def test_compiled_forms_belong_to_one_model(bundle, copy):
    describe(copy, sha256="0" * 64)
    assert open_bundle(str(copy.folder)).engine_folder("openvino").name != bundle.engine_folder("openvino").name


@pytest.mark.parametrize("change", [lambda raw: raw + b"\0", lambda raw: bytes([raw[0] ^ 1]) + raw[1:]])
def test_a_model_file_that_was_changed_is_refused(copy, change):
    copy.graph.write_bytes(change(copy.graph.read_bytes()))
    with pytest.raises(Problem, match="has SHA-256") as caught:
        copy.keras_model()
    assert "Restore the file" in caught.value.cure


def test_a_model_file_that_is_gone_is_a_problem(copy):
    copy.graph.unlink()
    with pytest.raises(Problem, match="cannot be read"):
        copy.keras_model()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is not a bundle description"),
        ("{", "is not a bundle description"),
        ("[]", "is not a bundle description"),
        ("{}", "is not a bundle description"),
        ('{"labels": []}', "is not a bundle description"),
        ("\0", "is not a bundle description"),
    ],
)
def test_a_description_that_is_none_is_a_problem(copy, text, what):
    (copy.folder / "bundle.json").write_text(text)
    with pytest.raises(Problem, match=what) as caught:
        open_bundle(str(copy.folder))
    assert "Make the bundle again" in caught.value.cure


@pytest.mark.parametrize("changes", [{"kind": "smell"}, {"output": "logits"}])
def test_a_bundle_of_another_kind_is_a_problem(copy, changes):
    describe(copy, **changes)
    with pytest.raises(Problem, match="This version knows"):
        open_bundle(str(copy.folder))


@pytest.mark.parametrize("labels", [("one",), ("one", "two", "three")])
def test_the_number_of_labels_must_be_that_of_the_outputs(tmp_path, labels):
    with pytest.raises(Problem, match=re.escape(f"gives 2 values for {len(labels)} labels ({', '.join(labels)})")):
        save_bundle(network(), "colours", tmp_path, labels=labels)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("size", "dtype"),
    [((8, 8, 3), "float32"), ((8, 8, 1), "uint8"), ((None, None, 3), "uint8"), ((8, None, 3), "uint8")],
)
def test_an_input_that_is_not_a_picture_of_bytes_is_refused(tmp_path, size, dtype):
    with pytest.raises(Problem, match=f"The model takes {dtype}") as caught:
        save_bundle(network(size=size, dtype=dtype), "colours", tmp_path, labels=("a", "b"))
    assert "uint8" in caught.value.cure


def test_an_output_that_is_a_picture_is_refused(tmp_path):
    layers = libraries.keras().layers
    pixels = layers.Input((8, 8, 3), dtype="uint8")
    model = libraries.keras().Model(pixels, layers.Rescaling(1 / 255)(pixels))
    with pytest.raises(Problem, match="one output"):
        save_bundle(model, "colours", tmp_path)


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "../a", "/tmp/a"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name):
    with pytest.raises(Problem, match="cannot be the name of a model"):
        save_bundle(network(), name, tmp_path, labels=("a", "b"))
