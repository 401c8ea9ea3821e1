"""A user's own model becomes a bundle that says the same, or is refused with a reason."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from inferlab import libraries
from inferlab.errors import Problem
from inferlab.models import zoo
from inferlab.models.bundle import open_bundle
from inferlab.models.importing import import_model

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
SUFFIXES = (".keras", ".h5")


def network(size=32, units=3, activation="softmax", channels=3, **head):
    """A classifier that tells colours apart whatever the scale of its pixels."""
    keras = libraries.keras()
    keras.utils.set_random_seed(5)
    height, width = size if isinstance(size, tuple) else (size, size)
    return keras.Sequential(
        [
            keras.layers.Input((height, width, channels)),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(units, activation=activation, **head),
        ]
    )


def saved(model, folder: Path, suffix: str = ".keras") -> Path:
    file = folder / f"mine{suffix}"
    model.save(file)
    return file


def scaled(kind: str) -> np.ndarray:
    pixels = PIXELS.astype(np.float32)
    if kind in ("none", "unit"):
        return pixels if kind == "none" else pixels / 255
    imagenet = libraries.keras().applications.imagenet_utils
    return imagenet.preprocess_input(pixels, mode=kind, data_format="channels_last")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("preprocess", zoo.PREPROCESSING)
def test_the_bundle_says_what_the_model_says_of_preprocessed_pixels(tmp_path, suffix, preprocess):
    model = network()
    imported = import_model(
        saved(model, tmp_path, suffix), "mine", preprocess=preprocess, labels=("a", "b", "c"), models=tmp_path
    )
    opened = open_bundle("mine", tmp_path)
    assert opened == imported
    assert opened.labels == ("a", "b", "c")
    assert opened.about["preprocess"] == preprocess
    expected = model.predict_on_batch(scaled(preprocess))
    assert np.abs(opened.keras_model().predict_on_batch(PIXELS) - expected).max() < 1e-5


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_sigmoid_unit_becomes_two_probabilities_and_a_high_score_means_the_second(tmp_path, suffix):
    model = network(units=1, activation="sigmoid")
    imported = import_model(saved(model, tmp_path, suffix), "mine", preprocess="unit", labels=("cat", "dog"), models=tmp_path)
    assert imported.labels == ("cat", "dog")
    dog = model.predict_on_batch(scaled("unit"))[:, 0]
    found = imported.keras_model().predict_on_batch(PIXELS)
    assert np.abs(found - np.stack([1 - dog, dog], axis=1)).max() < 1e-6


def test_labels_that_are_not_named_are_numbered(tmp_path):
    assert import_model(saved(network(), tmp_path), "mine", models=tmp_path).labels == ("class_0", "class_1", "class_2")
    sigmoid = saved(network(units=1, activation="sigmoid"), tmp_path)
    assert import_model(sigmoid, "mine", models=tmp_path).labels == ("class_0", "class_1")


def test_a_softmax_may_be_a_layer_of_its_own(tmp_path):
    keras = libraries.keras()
    model = keras.Sequential([network(activation=None), keras.layers.Softmax()])
    model.build((None, 32, 32, 3))
    assert len(import_model(saved(model, tmp_path), "mine", models=tmp_path).labels) == 3


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("units", [1, 3])
def test_a_model_that_leaves_its_size_open_takes_the_one_that_is_said(tmp_path, suffix, units):
    model = network(size=None, units=units, activation="softmax" if units > 1 else "sigmoid")
    file = saved(model, tmp_path, suffix)
    with pytest.raises(Problem, match="leaves the size of its input open") as caught:
        import_model(file, "mine", models=tmp_path)
    assert "--size" in caught.value.cure
    imported = import_model(file, "mine", size=48, models=tmp_path)
    assert (imported.height, imported.width) == (48, 48)


@pytest.mark.parametrize(
    ("make", "arguments", "what"),
    [
        (network, {"size": 64}, "takes 32 x 32 pixels, and --size says 64"),
        (lambda: network(size=(32, 48)), {}, "32 x 48 pixels"),
        (lambda: network(channels=1), {}, r"takes \(None, 32, 32, 1\)"),
        (network, {"labels": ("a", "b")}, "3 outputs needs 3 labels, and --labels names 2"),
        (network, {"labels": ("a", "b", "c", "d")}, "names 4"),
        (lambda: network(units=1, activation="sigmoid"), {"labels": ("dog",)}, "1 output needs 2 labels"),
        (lambda: network(activation=None), {}, "ends in 'linear' with 3 outputs"),
        (lambda: network(activation="relu"), {}, "ends in 'relu'"),
        (lambda: network(activation="sigmoid"), {}, "ends in 'sigmoid' with 3 outputs"),
        (network, {"preprocess": "vgg"}, "no preprocessing 'vgg'"),
        (network, {"name": "../mine"}, "cannot be the name"),
    ],
)
def test_what_does_not_fit_is_a_problem_and_leaves_nothing(tmp_path, make, arguments, what):
    file = saved(make(), tmp_path)
    with pytest.raises(Problem, match=what) as caught:
        import_model(file, arguments.pop("name", "mine"), models=tmp_path / "models", **arguments)
    assert caught.value.cure
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("size", [32, None])
def test_cut_gives_what_feeds_the_head(tmp_path, suffix, size):
    model = network(size=size)
    file = saved(model, tmp_path, suffix)
    imported = import_model(file, "mine", size=32, preprocess="unit", cut=True, models=tmp_path)
    assert (imported.output, imported.embedding_width, imported.labels) == ("embedding", 4, ())
    features = libraries.keras().Model(model.inputs, model.layers[-2].output)
    found = imported.keras_model().predict_on_batch(PIXELS)
    assert np.abs(found - features.predict_on_batch(scaled("unit"))).max() < 1e-5


def test_cut_pools_what_is_still_a_picture_and_needs_no_probabilities(tmp_path):
    keras = libraries.keras()
    model = keras.Sequential([keras.layers.Input((32, 32, 3)), keras.layers.Conv2D(6, 3)])
    imported = import_model(saved(model, tmp_path), "mine", cut=True, models=tmp_path)
    assert imported.embedding_width == 6


def text(file: Path) -> None:
    file.write_text("I am a model, honestly.")


def empty(file: Path) -> None:
    file.touch()


def other_zip(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("holiday.txt", "sun")


def other_hdf5(file: Path) -> None:
    import h5py

    with h5py.File(file, "w") as opened:
        opened["numbers"] = [1, 2, 3]


@pytest.mark.parametrize(
    ("name", "write", "what"),
    [
        ("mine.keras", text, "is not a Keras model"),
        ("mine.h5", text, "is not a Keras model"),
        ("mine.keras", empty, "is not a Keras model"),
        ("mine.keras", other_zip, "cannot be loaded as a Keras model"),
        ("mine.h5", other_hdf5, "cannot be loaded as a Keras model"),
        ("mine.pkl", other_zip, "is not a Keras model"),
        ("gone.keras", lambda file: None, "There is no file"),
        ("folder.keras", Path.mkdir, "There is no file"),
    ],
)
def test_a_file_that_is_no_model_is_a_problem(tmp_path, name, write, what):
    write(tmp_path / name)
    with pytest.raises(Problem, match=what) as caught:
        import_model(tmp_path / name, "mine", models=tmp_path / "models")
    assert caught.value.cure
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("hidden", [False, True])
def test_code_in_a_model_file_is_refused_and_not_executed(tmp_path, suffix, hidden):
    keras = libraries.keras()
    canary = tmp_path / "the code was executed"
    trap = keras.layers.Lambda(
        lambda x, command: (__import__("os").system(command), x)[1], arguments={"command": f"touch '{canary}'"}
    )
    part = keras.Sequential([keras.layers.Input((32, 32, 3)), trap])
    layers = [part] if hidden else [trap]
    model = keras.Sequential(
        [keras.layers.Input((32, 32, 3)), *layers, keras.layers.Flatten(), keras.layers.Dense(2, "softmax")]
    )
    file = saved(model, tmp_path, suffix)

    canary.unlink()
    keras.saving.load_model(file, compile=False, safe_mode=False)
    assert canary.exists(), "the trap does not work, so this test would prove nothing"
    canary.unlink()

    with pytest.raises(Problem, match="Lambda") as caught:
        import_model(file, "mine", models=tmp_path / "models")
    assert not canary.exists()
    assert "code" in str(caught.value)
    assert not (tmp_path / "models").exists()
