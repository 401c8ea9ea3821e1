"""Architectures by name. Each takes raw uint8 pixels and has its own scaling inside, so it cannot be fed wrongly.

This module builds models; it trains none.
"""

from collections.abc import Sequence

from inferlab import libraries
from inferlab.errors import Problem, first_line

ARCHITECTURES = {
    "small": "a depthwise-separable CNN of 67,000 weights: trains in a minute on two cores",
    "mobilenet_v2": "MobileNetV2 (Sandler et al., 2018), 2.3 million weights",
    "resnet50": "ResNet-50 (He et al., 2015), 23.6 million weights",
}
WEIGHTS = ("imagenet", "random")

# What each family of pretrained weights was trained on; the names are those of keras.applications.imagenet_utils.
PREPROCESSING = {
    "none": "0 to 255, as they are",
    "unit": "0 to 1",
    "tf": "-1 to 1 (MobileNetV2)",
    "caffe": "BGR minus the ImageNet mean (Keras' ResNet-50)",
    "torch": "0 to 1, minus the ImageNet mean, divided by its deviation",
}
# Of the ImageNet training set: https://github.com/keras-team/keras, applications/imagenet_utils.py
_MEAN_BGR = (103.939, 116.779, 123.68)
_MEAN_RGB, _DEVIATION_RGB = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def build(arch: str, labels: Sequence[str], size: int, weights: str = "imagenet"):
    """An untrained classifier (small, or weights "random"), or one with a pretrained body and a new head.

    returns: a Keras model, uint8 (batch, size, size, 3) -> float32 (batch, len(labels)), each row sums to 1
    Raises `Problem` for an unknown architecture or size, and when ImageNet weights are wanted and cannot be had.
    """
    keras = libraries.keras()

    if arch not in ARCHITECTURES:
        raise Problem(f"There is no architecture {arch!r}.", f"Choose one of: {', '.join(ARCHITECTURES)}.")
    if not 32 <= size <= 1024:
        raise Problem(f"A size of {size} pixels is out of range.", "Choose --size between 32 and 1024.")
    pixels = keras.Input((size, size, 3), dtype="uint8", name="pixels")
    if arch == "small":
        features = _small_body(preprocess(pixels, "tf"))
    elif arch == "mobilenet_v2":
        features = _pretrained(keras.applications.MobileNetV2, size, weights)(preprocess(pixels, "tf"))
    else:
        features = _pretrained(keras.applications.ResNet50, size, weights)(preprocess(pixels, "caffe"))
    features = keras.layers.GlobalAveragePooling2D(name="embedding")(features)
    features = keras.layers.Dropout(0.2)(features)
    return keras.Model(pixels, keras.layers.Dense(len(labels), activation="softmax", name="label")(features), name=arch)


def preprocess(pixels, kind: str):
    """Scale raw pixels as a network expects them, as a layer of the graph.

    pixels: Keras tensor, uint8 (batch, height, width, 3), RGB
    kind: a key of `PREPROCESSING`
    returns: Keras tensor, float32, the same shape
    """
    keras = libraries.keras()

    if kind == "none":
        return keras.layers.Rescaling(1.0, name="preprocess")(pixels)
    if kind == "unit":
        return keras.layers.Rescaling(1 / 255, name="preprocess")(pixels)
    if kind == "tf":
        return keras.layers.Rescaling(1 / 127.5, offset=-1, name="preprocess")(pixels)
    if kind == "torch":
        scaled = keras.layers.Rescaling(1 / 255, name="to_unit")(pixels)
        variance = [deviation**2 for deviation in _DEVIATION_RGB]
        return keras.layers.Normalization(mean=_MEAN_RGB, variance=variance, name="preprocess")(scaled)
    if kind == "caffe":
        # Rescaling with one offset a channel on RGB, then the channels the other way round.
        centred = keras.layers.Rescaling(1.0, offset=[-mean for mean in reversed(_MEAN_BGR)], name="preprocess")(pixels)
        return _reverse_channels(centred)
    raise Problem(f"There is no preprocessing {kind!r}.", f"Choose one of: {', '.join(PREPROCESSING)}.")


def _reverse_channels(image):
    """RGB to BGR with layers that carry no code: a fixed 1 x 1 convolution would compute, slices only move."""
    keras = libraries.keras()

    red, green, blue = (image[..., channel : channel + 1] for channel in range(3))
    return keras.layers.Concatenate(name="bgr")([blue, green, red])


def _small_body(features):
    """One plain convolution and five depthwise-separable ones (Howard et al., 2017), each normalised."""
    layers = libraries.keras().layers

    def normalised(features):
        # A run of a few hundred batches is too short for Keras' default momentum of 0.99.
        return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(features))

    features = normalised(layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(features))
    for filters, halve in ((32, True), (64, True), (128, True), (128, False), (256, False)):
        features = normalised(layers.SeparableConv2D(filters, 3, padding="same", use_bias=False)(features))
        if halve:
            features = layers.MaxPooling2D(2)(features)
    return features


def _pretrained(application, size: int, weights: str):
    """The body of a Keras application. ImageNet weights come from Keras' own download cache or the network."""
    if weights not in WEIGHTS:
        raise Problem(f"There are no weights {weights!r}.", f"Choose one of: {', '.join(WEIGHTS)}.")
    try:
        return application(
            input_shape=(size, size, 3), include_top=False, weights="imagenet" if weights == "imagenet" else None
        )
    except Exception as error:
        raise Problem(
            f"The ImageNet weights of {application.__name__} cannot be had: {first_line(error)}.",
            "Try again with a network, or say --weights random and know that the model starts from nothing.",
        ) from error
