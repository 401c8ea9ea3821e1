"""From a folder of labelled images to a bundle: decode once, train, measure on images that were held out.

The files of a folder fall into train (70 %) and held-out (30 %) by a hash of their names, so an image that was held out
once is held out for ever. Nothing is chosen by looking at the held-out images: the number of epochs is fixed before.
"""

import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inferlab import libraries, progress, storage
from inferlab.datasets import folders
from inferlab.errors import Problem
from inferlab.media import Rejected, image
from inferlab.models import zoo
from inferlab.models.bundle import Bundle, save_bundle

BATCH_SIZE = 32
SHIFT = 0.1  # of the side: how far augmentation moves an image


@dataclass(frozen=True)
class Images:
    """Decoded images: pixels uint8 (images, size, size, 3), on disk where the page cache decides what is in memory."""

    pixels: np.ndarray
    classes: np.ndarray  # (images,), int64, index into the labels

    def __len__(self) -> int:
        return len(self.classes)


def train(
    data: Path | str,
    name: str,
    *,
    arch: str = "small",
    epochs: int = 12,
    size: int = 128,
    weights: str = "imagenet",
    label_from: str = "folder",
    seed: int = 7,
    models: Path | None = None,
) -> Bundle:
    """Train a classifier on a folder of images and save it as a bundle, with its held-out accuracy and confusion.

    arch, size, weights: see `zoo.build`; a body with ImageNet weights is kept as it is, and only the new head is trained
    label_from: "folder" or a regular expression: see `folders.label`
    Raises `Problem` when there are fewer than two labels, or a label has no image on one side of the split.
    """
    started = time.perf_counter()
    files = folders.list_files(data)
    labels = tuple(sorted({folders.label(path, label_from) for path in files}))
    if len(labels) < 2:
        raise Problem(
            f"{data} has images of one label only: {labels[0]!r}.",
            "Put the images of each class into a folder of its own.",
        )
    if epochs < 1:
        raise Problem(f"{epochs} epochs train nothing.", "Choose --epochs 1 or more.")
    parts: dict[str, list[str]] = {"train": [], "held-out": []}
    for path in files:
        parts["train" if folders.split(path, data) == "train" else "held-out"].append(path)
    for part, paths in parts.items():
        if missing := set(labels) - {folders.label(path, label_from) for path in paths}:
            raise Problem(
                f"The {part} part of {data} has no image of {', '.join(sorted(missing))}.",
                "Add images: ten a class at least.",
            )

    keras = libraries.keras()

    keras.utils.set_random_seed(seed)
    model = zoo.build(arch, labels, size, weights)
    with tempfile.TemporaryDirectory(dir=storage.scratch(), prefix="decoded-") as folder:
        images, rejected = {}, Counter()
        for part, paths in parts.items():
            classes = [labels.index(folders.label(path, label_from)) for path in paths]
            images[part], reasons = _decode(paths, classes, size, Path(folder) / f"{part}.npy")
            rejected += reasons
        curve = _fit(model, images["train"], epochs, seed, frozen=arch != "small" and weights == "imagenet")
        confusion = _confusion(model, images["held-out"], len(labels))
    about = {
        "made_by": "inferlab train",
        "data": Path(data).resolve().name,
        "arch": arch,
        "weights": "random" if arch == "small" else weights,
        "images": {part: len(images[part]) for part in images},
        "rejected": dict(rejected),
        "epochs": epochs,
        "seed": seed,
        "loss": curve,
        "accuracy": round(float(np.trace(confusion) / confusion.sum()), 4),
        "confusion": confusion.tolist(),
        "seconds": round(time.perf_counter() - started, 1),
    }
    return save_bundle(model, name, models, labels=labels, about=about)


def _decode(paths: list[str], classes: list[int], size: int, file: Path) -> tuple[Images, Counter]:
    """Decode all images into one array on disk; rejected files are left out and counted by reason."""
    pixels = np.lib.format.open_memmap(file, "w+", np.uint8, (len(paths), size, size, 3))
    good = np.zeros(len(paths), bool)
    rejected = Counter()

    def decode(row: int) -> Rejected | None:
        found = image.load(paths[row], size, size, pixels[row])
        return found if isinstance(found, Rejected) else None

    with ThreadPoolExecutor() as pool:  # OpenCV decodes outside Python's lock
        for row, problem in enumerate(progress.bar(pool.map(decode, range(len(paths))), len(paths), "decoding", "image")):
            good[row] = problem is None
            if problem:
                rejected[problem.reason] += 1
    if not good.any():
        raise Problem(
            f"None of {len(paths)} images can be decoded: {dict(rejected)}.", "Look at the files with: inferlab doctor."
        )
    # Leaving rejected rows out takes a copy in memory; a folder without any stays on disk.
    return Images(pixels if good.all() else pixels[good], np.asarray(classes)[good]), rejected


def _fit(model, images: Images, epochs: int, seed: int, frozen: bool) -> list[float]:
    """Train in place. Returns the mean loss of each epoch."""
    keras = libraries.keras()

    body = next((layer for layer in model.layers if isinstance(layer, keras.Model)), None)
    if body is not None:
        body.trainable = not frozen
    batches = _batches(images, seed)
    steps = epochs * len(batches)
    rate = keras.optimizers.schedules.CosineDecay(1e-3, steps, warmup_target=5e-3, warmup_steps=steps // 10)
    # XLA is 13 times slower than TensorFlow's own kernels for depthwise convolutions on a CPU.
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", jit_compile=False)
    with progress.steps(steps, "training", "batch") as advance:
        after_batch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: advance(f"loss {logs['loss']:.3f}"))
        history = model.fit(batches, epochs=epochs, verbose=0, callbacks=[after_batch])
    return [round(float(loss), 4) for loss in history.history["loss"]]


def _batches(images: Images, seed: int):
    """The training images as a Keras data set: shuffled anew for each epoch, mirrored and shifted at random."""
    keras = libraries.keras()

    class Batches(keras.utils.PyDataset):
        def __init__(self):
            super().__init__()
            self.random = np.random.default_rng(seed)
            self.order = self.random.permutation(len(images))

        def __len__(self) -> int:
            return max(1, len(images) // BATCH_SIZE)

        def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
            rows = self.order[step * BATCH_SIZE : (step + 1) * BATCH_SIZE]
            return _augment(images.pixels[rows], self.random), images.classes[rows]

        def on_epoch_end(self) -> None:
            self.order = self.random.permutation(len(images))

    return Batches()


def _augment(pixels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Mirror half of the images and shift each by up to `SHIFT` of its side. uint8 (batch, size, size, 3) -> the same."""
    reach = int(pixels.shape[1] * SHIFT)
    padded = np.pad(pixels, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="edge")
    side = pixels.shape[1]
    out = np.empty_like(pixels)
    for row, (top, left) in enumerate(random.integers(0, 2 * reach + 1, (len(pixels), 2))):
        out[row] = padded[row, top : top + side, left : left + side]
    mirrored = random.random(len(pixels)) < 0.5
    out[mirrored] = out[mirrored, :, ::-1]
    return out


def _confusion(model, images: Images, labels: int) -> np.ndarray:
    """(labels, labels) int64: rows are what an image is, columns what the model says."""
    found = np.concatenate(
        [
            model.predict_on_batch(images.pixels[row : row + BATCH_SIZE]).argmax(axis=1)
            for row in range(0, len(images), BATCH_SIZE)
        ]
    )
    confusion = np.zeros((labels, labels), np.int64)
    np.add.at(confusion, (images.classes, found), 1)
    return confusion
