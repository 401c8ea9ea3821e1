"""A model that can be deployed: a folder with the graph, its labels and its checksum.

    share_storages/models/flowers/
        model.keras     the graph and its weights; it starts at raw uint8 pixels, so no caller can preprocess wrongly
        bundle.json     kind, input size, output, labels, SHA-256, and how it was made
        engines/        compiled forms, made from model.keras when first asked for, named by its SHA-256

Opening a bundle reads only `bundle.json`; Keras is imported when `keras_model` is called. This module knows no Spark.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from inferlab import libraries, machine, storage
from inferlab.errors import Problem, first_line

GRAPH = "model.keras"
DESCRIPTION = "bundle.json"
KINDS = ("image",)
OUTPUTS = ("probabilities", "embedding")


@dataclass(frozen=True)
class Bundle:
    """One model and all that is needed to run it.

    kind: "image": the graph takes uint8 (batch, height, width, 3), RGB
    output: "probabilities": float32 (batch, len(labels)), each row sums to 1; "embedding": float32 (batch, embedding_width)
    sha256: of model.keras; results and compiled forms are tied to it
    about: how it was made: architecture, data, epochs, accuracy, confusion, versions
    """

    folder: Path
    kind: str
    height: int
    width: int
    output: str
    labels: tuple[str, ...]
    embedding_width: int
    sha256: str
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name it is called by on the command line."""
        return self.folder.name

    @property
    def graph(self) -> Path:
        """The Keras file."""
        return self.folder / GRAPH

    def engine_folder(self, engine: str) -> Path:
        """Where the form compiled for one engine lies; a new model has a new SHA-256 and so a new folder."""
        return self.folder / "engines" / f"{engine}-{self.sha256[:16]}"

    def keras_model(self):
        """Load the Keras model, on the driver only.

        Model files are code: the checksum is compared first, and `safe_mode` refuses layers that carry Python code.
        Raises `Problem` when the file is not the one that was bundled, or cannot be loaded.
        """
        found = sha256(self.graph)
        if found != self.sha256:
            raise Problem(
                f"{self.graph} has SHA-256 {found[:12]}... where its bundle.json says {self.sha256[:12]}...",
                "Restore the file, or import it anew: inferlab import FILE --name NAME.",
            )
        keras = libraries.keras()

        try:
            return keras.saving.load_model(self.graph, compile=False, safe_mode=True)
        except Exception as error:
            raise Problem(f"Keras cannot load {self.graph}: {first_line(error)}", "Make the bundle again.") from error


def open_bundle(name: str, models: Path | None = None) -> Bundle:
    """Open a bundle by its name below `models`, or by the path of its folder.

    Raises `Problem` when there is none, listing those that are there, or when bundle.json is not one.
    """
    folder = Path(name) if "/" in name else (models or storage.models()) / name
    if not (folder / DESCRIPTION).is_file():
        there = sorted(path.parent.name for path in folder.parent.glob(f"*/{DESCRIPTION}"))
        known = f"There are: {', '.join(there)}." if there else "There are none yet."
        raise Problem(
            f"There is no model {folder.name!r} in {folder.parent}. {known}",
            f"Train one: inferlab train DATA --name {folder.name}.",
        )
    try:
        told = json.loads((folder / DESCRIPTION).read_text())
        bundle = Bundle(folder=folder.absolute(), **{**told, "labels": tuple(told["labels"])})
    except (ValueError, KeyError, TypeError) as error:
        raise Problem(
            f"{folder / DESCRIPTION} is not a bundle description: {first_line(error)}", "Make the bundle again."
        ) from error
    if bundle.kind not in KINDS or bundle.output not in OUTPUTS:
        raise Problem(
            f"{folder / DESCRIPTION} has kind {bundle.kind!r} and output {bundle.output!r}.",
            f"This version knows {KINDS} and {OUTPUTS}.",
        )
    return bundle


def save_bundle(
    model,
    name: str,
    models: Path | None = None,
    *,
    labels: tuple[str, ...] = (),
    about: dict[str, Any] | None = None,
) -> Bundle:
    """Write a Keras model as a bundle; an older one of that name is replaced when the new one is complete.

    model: takes uint8 (batch, height, width, 3); gives one probability a label, or an embedding when `labels` is empty
    Raises `Problem` when the model has another shape.
    """
    folder = (models or storage.models()) / name
    if not name or name.startswith(".") or "/" in name:
        raise Problem(f"{name!r} cannot be the name of a model.", "Use letters, digits, '-' and '_'.")
    if len(set(labels)) < len(labels):
        raise Problem(f"The labels {', '.join(labels)} are not all different.", "Name each class once.")
    height, width = _input_size(model)
    outputs = _output_width(model)
    if labels and outputs != len(labels):
        raise Problem(
            f"The model gives {outputs} values for {len(labels)} labels ({', '.join(labels)}).",
            "Name one label for each value.",
        )
    with storage.staged_folder(folder) as staging:
        model.save(staging / GRAPH)
        bundle = Bundle(
            folder=folder.absolute(),
            kind="image",
            height=height,
            width=width,
            output="probabilities" if labels else "embedding",
            labels=tuple(labels),
            embedding_width=0 if labels else outputs,
            sha256=sha256(staging / GRAPH),
            about={
                **(about or {}),
                "parameters": model.count_params(),
                "versions": machine.versions("keras", "tensorflow", "inferlab"),
            },
        )
        told = asdict(bundle)
        del told["folder"]
        storage.write_whole(staging / DESCRIPTION, json.dumps(told, indent=2) + "\n")
    return bundle


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror}.", "Make the bundle again.") from error


def _input_size(model) -> tuple[int, int]:
    shape, dtype = model.inputs[0].shape, model.inputs[0].dtype
    if len(model.inputs) != 1 or len(shape) != 4 or shape[3] != 3 or None in shape[1:] or dtype != "uint8":
        raise Problem(
            f"The model takes {dtype} {tuple(shape)}.",
            "A bundle's graph takes one uint8 input (batch, height, width, 3).",
        )
    return shape[1], shape[2]


def _output_width(model) -> int:
    if len(model.outputs) != 1 or len(model.outputs[0].shape) != 2:
        shapes = [tuple(output.shape) for output in model.outputs]
        raise Problem(f"The model gives {shapes}.", "A bundle's graph gives one output (batch, values).")
    return model.outputs[0].shape[1]
