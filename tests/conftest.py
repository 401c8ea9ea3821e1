"""What all tests share: a storage of their own, flowers, a small bundle, and one embedded Spark."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inferlab import cluster, libraries
from inferlab.datasets import flowers as drawn
from inferlab.datasets.synthetic import make_flowers
from inferlab.media import image
from inferlab.models import zoo
from inferlab.models.bundle import Bundle, save_bundle

LABELS = tuple(drawn.KINDS)


@pytest.fixture(scope="session", autouse=True)
def storage_folder(tmp_path_factory) -> Path:
    """The storage of this run: nothing that a test does reaches the checkout's own."""
    folder = tmp_path_factory.mktemp("storage")
    os.environ["INFERLAB_STORAGE"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def spark(storage_folder):
    session = cluster.session("local[2]", app="tests")
    yield session
    session.stop()


@pytest.fixture(scope="session")
def flowers(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("flowers")
    make_flowers(folder, 60, size=(250, 188), progress=False)
    return folder


@pytest.fixture(scope="session")
def broken_flowers(tmp_path_factory) -> Path:
    """Sixty flowers, nine of them odd or broken: every kind once."""
    folder = tmp_path_factory.mktemp("broken_flowers")
    make_flowers(folder, 60, size=(250, 188), corrupt=0.15, progress=False)
    return folder


@pytest.fixture(scope="session")
def pictures(flowers) -> np.ndarray:
    """The sixty flowers as a model of 64 x 64 pixels sees them: uint8 (60, 64, 64, 3), in the order of their paths."""
    return np.stack([image.decode(path.read_bytes(), 64, 64) for path in sorted(flowers.glob("*/*.jpg"))])


@pytest.fixture(scope="session")
def make_bundle(pictures, storage_folder) -> Callable[[str, int], Bundle]:
    """Makes networks of two layers that nobody trained, and which yet do not say the same of all flowers."""

    def make(name: str, seed: int) -> Bundle:
        keras = libraries.keras()
        keras.utils.set_random_seed(seed)
        pixels = keras.Input((64, 64, 3), dtype="uint8")
        edges = keras.layers.Conv2D(16, 5, strides=2, activation="relu")(zoo.preprocess(pixels, "tf"))
        embedding = keras.layers.GlobalAveragePooling2D()(edges)
        head = keras.layers.Dense(len(LABELS), activation="softmax")
        model = keras.Model(pixels, head(embedding))
        features = keras.Model(pixels, embedding).predict_on_batch(pictures)
        kernel = np.random.default_rng(seed).normal(0, 0.5, (16, len(LABELS))) / features.std(axis=0, keepdims=True).T
        head.set_weights([kernel, -features.mean(axis=0) @ kernel])
        return save_bundle(model, name, labels=LABELS)

    return make


@pytest.fixture(scope="session")
def bundle(make_bundle) -> Bundle:
    return make_bundle("flowers", 7)
