"""Words for models: `train` and `import`."""

import argparse
from collections.abc import Sequence
from typing import Any

from inferlab.cli import words


def add(commands) -> None:
    """Define the commands."""
    train = words.command(commands, "train", _train, "train a classifier on a folder of images", models=True)
    train.description = "Train on 70 % of the images, chosen by a hash of their names, and measure on the other 30 %."
    train.add_argument("data", metavar="DATA", help="a folder of images; by default each class is a folder in it")
    train.add_argument("--name", required=True, help="the name of the model to make")
    train.add_argument(
        "--arch",
        default="small",
        help="small (from nothing, a minute), mobilenet_v2 or resnet50 (default: %(default)s)",
    )
    train.add_argument("--epochs", type=int, default=12, help="rounds through the training images (default: %(default)s)")
    train.add_argument("--size", type=int, default=128, help="side of the model's input in pixels (default: %(default)s)")
    train.add_argument(
        "--weights", default="imagenet", help="imagenet or random, for mobilenet_v2 and resnet50 (default: %(default)s)"
    )
    train.add_argument(
        "--label-from",
        default="folder",
        metavar="RULE",
        help="folder, or a regular expression with one group for the file's name",
    )
    train.add_argument("--seed", type=int, default=7, help="of weights, order and augmentation (default: %(default)s)")

    imported = words.command(commands, "import", _import, "make a Keras model of your own deployable", models=True)
    imported.description = "Put raw uint8 pixels in front of a .keras or .h5 model, and probabilities behind it."
    imported.add_argument("file", metavar="FILE", help="a .keras or .h5 file without Lambda layers")
    imported.add_argument("--name", required=True, help="the name of the model to make")
    imported.add_argument("--size", type=int, help="side of the input in pixels, where the model leaves it open")
    imported.add_argument(
        "--preprocess",
        default="none",
        help="what the model was trained on: none (0 to 255), unit (0 to 1), tf (-1 to 1), caffe (BGR less a mean) or torch",
    )
    imported.add_argument(
        "--labels",
        type=words.listed,
        default=(),
        metavar="a,b",
        help="one an output; for one sigmoid unit two, the second is the high one",
    )
    imported.add_argument("--cut", action="store_true", help="leave the head off: the model gives embeddings")


def _train(options: argparse.Namespace) -> dict[str, Any]:
    from inferlab.models import training

    bundle = training.train(
        options.data,
        options.name,
        arch=options.arch,
        epochs=options.epochs,
        size=options.size,
        weights=options.weights,
        label_from=options.label_from,
        seed=options.seed,
        models=options.models,
    )
    about = bundle.about
    words.say(
        options,
        f"{bundle.folder}: {about['arch']} for {', '.join(bundle.labels)}, {about['accuracy']:.1%} right on"
        f" {about['images']['held-out']} held-out images, {about['seconds']:.0f} s.",
    )
    words.say(options, _confusion(bundle.labels, about["confusion"]))
    return {
        "model": bundle.name,
        "accuracy": about["accuracy"],
        "labels": list(bundle.labels),
        "sha256": bundle.sha256,
        "about": about,
    }


def _import(options: argparse.Namespace) -> dict[str, Any]:
    from inferlab.models import importing

    bundle = importing.import_model(
        options.file,
        options.name,
        size=options.size,
        preprocess=options.preprocess,
        labels=options.labels,
        cut=options.cut,
        models=options.models,
    )
    gives = (
        f"probabilities of {', '.join(bundle.labels)}" if bundle.labels else f"embeddings of {bundle.embedding_width} values"
    )
    words.say(options, f"{bundle.folder}: uint8 images of {bundle.height} x {bundle.width} pixels in, {gives} out.")
    return {
        "model": bundle.name,
        "labels": list(bundle.labels),
        "embedding_width": bundle.embedding_width,
        "sha256": bundle.sha256,
    }


def _confusion(labels: Sequence[str], confusion: list[list[int]]) -> str:
    width = max(len(label) for label in labels) + 2
    head = " " * width + "".join(f"{label:>{width}}" for label in labels) + "   <- the model says"
    return "\n".join(
        [
            head,
            *(f"{label:{width}}" + "".join(f"{n:{width}}" for n in row) for label, row in zip(labels, confusion, strict=True)),
        ]
    )
