"""Architectures that cannot be fed wrongly: the scaling of each is inside it."""

import os
from pathlib import Path

import numpy as np
import pytest

from inferlab import libraries
from inferlab.errors import Problem
from inferlab.models import zoo

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)


def preprocessed(kind: str) -> np.ndarray:
    keras = libraries.keras()
    pixels = keras.Input((32, 32, 3), dtype="uint8")
    return keras.Model(pixels, zoo.preprocess(pixels, kind)).predict_on_batch(PIXELS)


@pytest.mark.parametrize("kind", ["tf", "caffe", "torch"])
def test_preprocessing_is_that_of_the_pretrained_networks(kind):
    imagenet = libraries.keras().applications.imagenet_utils
    expected = imagenet.preprocess_input(PIXELS.astype(np.float32), mode=kind, data_format="channels_last")
    assert np.abs(preprocessed(kind) - expected).max() < 1e-4


@pytest.mark.parametrize(("kind", "largest"), [("none", 255), ("unit", 1)])
def test_preprocessing_to_a_plain_range(kind, largest):
    found = preprocessed(kind)
    assert found.dtype == np.float32
    assert np.abs(found - PIXELS / 255 * largest).max() < 1e-5


def test_unknown_preprocessing_is_a_problem():
    with pytest.raises(Problem, match="no preprocessing 'vgg'") as caught:
        preprocessed("vgg")
    assert "caffe" in caught.value.cure


@pytest.mark.parametrize("arch", zoo.ARCHITECTURES)
def test_every_architecture_takes_bytes_and_gives_probabilities(arch):
    model = zoo.build(arch, ("a", "b", "c"), 32, weights="random")
    assert model.inputs[0].dtype == "uint8"
    found = model.predict_on_batch(PIXELS)
    assert found.shape == (2, 3)
    assert found.dtype == np.float32
    assert np.abs(found.sum(axis=1) - 1).max() < 1e-5
    assert (found >= 0).all()


def test_the_small_one_is_small():
    assert zoo.build("small", "abcde", 64).count_params() < 70_000


@pytest.mark.parametrize(
    ("arch", "size", "what"),
    [("vgg", 64, "no architecture 'vgg'"), ("small", 31, "31 pixels"), ("small", 1025, "1025 pixels")],
)
def test_what_cannot_be_built_is_a_problem(arch, size, what):
    with pytest.raises(Problem, match=what) as caught:
        zoo.build(arch, ("a", "b"), size)
    assert caught.value.cure.startswith("Choose")


def test_unknown_weights_are_a_problem():
    with pytest.raises(Problem, match="no weights 'mine'"):
        zoo.build("mobilenet_v2", ("a", "b"), 96, weights="mine")


@pytest.mark.parametrize("arch", ["mobilenet_v2", "resnet50"])
def test_pretrained_weights_that_cannot_be_had_are_a_problem(arch, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there: no network, and known at once
    cached = Path(os.environ.get("KERAS_HOME", "~/.keras"), "models").expanduser()
    if any(cached.glob(f"{arch}_weights*no*top*")):
        pytest.skip(f"the ImageNet weights of {arch} lie in {cached}, so they can be had without a network")
    with pytest.raises(Problem, match="cannot be had") as caught:
        zoo.build(arch, ("a", "b"), 96)
    assert "--weights random" in caught.value.cure
