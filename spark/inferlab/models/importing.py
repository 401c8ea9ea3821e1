"""A user's own Keras model, made into a bundle: uint8 pixels in front of it, probabilities behind it."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

from inferlab import libraries
from inferlab.errors import Problem, first_line
from inferlab.models import zoo
from inferlab.models.bundle import Bundle, save_bundle, sha256


def import_model(
    file: Path | str,
    name: str,
    *,
    size: int | None = None,
    preprocess: str = "none",
    labels: Sequence[str] = (),
    cut: bool = False,
    models: Path | None = None,
) -> Bundle:
    """Wrap a `.keras` or `.h5` file.

    size: side of the input in pixels; needed only when the model leaves it open
    preprocess: what the model was trained on: a key of `zoo.PREPROCESSING`; it becomes a part of the graph
    labels: one for each output; a model with one sigmoid unit takes two, the second being the one a high score means
    cut: leave the head off and give what feeds it, as an embedding
    Raises `Problem` when the file is no Keras model or carries code, or size or labels do not fit it.
    """
    keras = libraries.keras()

    file = Path(file).expanduser()
    inner = _load(file)
    side = _side(inner, size)
    pixels = keras.Input((side, side, 3), dtype="uint8", name="pixels")
    scaled = zoo.preprocess(pixels, preprocess)
    if cut:
        outputs, labels = _embedding(inner)(scaled), ()
    else:
        outputs = _probabilities(inner, labels)(scaled)
        labels = labels or tuple(f"class_{index}" for index in range(outputs.shape[1]))
    about = {
        "made_by": "inferlab import",
        "file": file.name,
        "file_sha256": sha256(file),
        "preprocess": preprocess,
        "cut": cut,
    }
    return save_bundle(keras.Model(pixels, outputs, name=inner.name), name, models, labels=tuple(labels), about=about)


def _load(file: Path):
    """Load with `safe_mode`, which refuses layers that carry Python code, and build what is not built yet."""
    keras = libraries.keras()

    if not file.is_file():
        raise Problem(f"There is no file {file}.", "Name a .keras or .h5 file.")
    if file.suffix not in (".keras", ".h5", ".hdf5") or not (zipfile.is_zipfile(file) or _is_hdf5(file)):
        raise Problem(
            f"{file} is not a Keras model: it is neither a .keras archive nor an HDF5 file.",
            "Save it with model.save('model.keras').",
        )
    try:
        model = keras.saving.load_model(file, compile=False, safe_mode=True)
    except Exception as error:
        raise Problem(
            f"{file} cannot be loaded as a Keras model: {first_line(error)}",
            "Save it again with Keras 3, without Lambda layers.",
        ) from error
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Lambda):  # the HDF5 loader does not know safe_mode
            raise Problem(
                f"{file} has a Lambda layer, {layer.name!r}: Python code inside a model file.",
                "Use a layer that carries no code.",
            )
    return model


def _side(model, size: int | None) -> int:
    """The side of the square input, from the model or from what was said."""
    shape = model.inputs[0].shape if getattr(model, "inputs", None) else (None, None, None, 3)
    if len(shape) != 4 or shape[3] not in (3, None):
        raise Problem(f"The model takes {tuple(shape)}.", "A model for images takes (batch, height, width, 3).")
    height, width = shape[1], shape[2]
    if height != width:
        raise Problem(f"The model takes images of {height} x {width} pixels.", "Only square inputs can be wrapped.")
    if height is None and size is None:
        raise Problem("The model leaves the size of its input open.", "Say the side in pixels: --size 192.")
    if height is not None and size is not None and height != size:
        raise Problem(
            f"The model takes {height} x {height} pixels, and --size says {size}.",
            f"Say --size {height}, or leave it out.",
        )
    return height or size


def _probabilities(model, labels: Sequence[str]):
    """The model with an output of one probability a label.

    A sigmoid unit p becomes (1 - p, p). Logits are left to the user: what a network means cannot be seen from outside,
    so a last layer that is neither softmax nor sigmoid is refused.
    """
    keras = libraries.keras()

    outputs = model.outputs
    if len(outputs) != 1 or len(outputs[0].shape) != 2:
        raise Problem(
            f"The model gives {[tuple(o.shape) for o in outputs]}.",
            "Use --cut to take its features, or give it one output (batch, classes).",
        )
    units = outputs[0].shape[1]
    expected = 2 if units == 1 else units
    if labels and len(labels) != expected:
        raise Problem(
            f"A model with {units} output{'s' if units > 1 else ''} needs {expected} labels, and --labels names {len(labels)}.",
            "Name them in the order of the outputs.",
        )
    activation = getattr(getattr(model.layers[-1], "activation", None), "__name__", "unknown")
    if isinstance(model.layers[-1], keras.layers.Softmax):
        activation = "softmax"
    if activation not in ("softmax", "sigmoid") or (activation == "sigmoid" and units > 1):
        raise Problem(
            f"The model ends in {activation!r} with {units} outputs, which are not probabilities of one class.",
            "End it in a softmax, or in one sigmoid unit.",
        )
    if units > 1:
        return model
    image = keras.Input(model.inputs[0].shape[1:])
    high = model(image)
    low = keras.layers.Rescaling(-1.0, offset=1.0, name="complement")(high)
    return keras.Model(image, keras.layers.Concatenate(name="probabilities")([low, high]), name=model.name)


def _embedding(model):
    """The model without its last dense layer and what follows it, pooled where it is still an image."""
    keras = libraries.keras()

    dense = [index for index, layer in enumerate(model.layers) if isinstance(layer, keras.layers.Dense)]
    last = dense[-1] if dense else len(model.layers)
    features = model.layers[last - 1].output
    if len(features.shape) == 4:
        features = keras.layers.GlobalAveragePooling2D(name="embedding")(features)
    if len(features.shape) != 2:
        raise Problem(f"Before its head the model gives {tuple(features.shape)}.", "Only images and vectors can be embeddings.")
    return keras.Model(model.inputs, features, name=model.name)


def _is_hdf5(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(8) == b"\x89HDF\r\n\x1a\n"
