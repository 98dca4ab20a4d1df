"""Scaling pixels 0..255 for a backbone, and the names of the layers that come before it."""

from typing import TYPE_CHECKING

from tfvision.models.backbones.families import Backbone

if TYPE_CHECKING:
    import keras


# Layers that come before the backbone, by the beginning of their names.
BEFORE = ("pixels", "enlarge", "gray_to_rgb", "preprocess", "flip")

_MEAN = (0.485, 0.456, 0.406)

_DEVIATION = (0.229, 0.224, 0.225)


def preprocess(pixels: "keras.KerasTensor", facts: Backbone) -> "keras.KerasTensor":
    """Scale pixels 0..255 to what a backbone was trained on, with stock operations that hold no weights.

    Args:
        pixels: `(batch, height, width, channels)`, values 0..255; one channel becomes three, but not for the small CNN.
        facts: The backbone's entry in BACKBONES.

    Returns:
        The scaled pixels, float32, of three channels for all but the small CNN. Untouched but for the channels if the
        backbone scales them itself.
    """
    import keras

    if pixels.shape[-1] == 1 and facts.builder != "small_cnn":
        pixels = keras.layers.Concatenate(dtype="float32", name="gray_to_rgb")([pixels] * 3)
    if facts.preprocessing == "caffe":
        pixels = keras.ops.flip(pixels, axis=-1)
    scale: dict[str, tuple[float | list[float], float | list[float]]] = {
        "caffe": (1.0, [-103.939, -116.779, -123.68]),
        "tf": (1 / 127.5, -1.0),
        "torch": ([1 / (255 * d) for d in _DEVIATION], [-m / d for m, d in zip(_MEAN, _DEVIATION, strict=True)]),
        "scale": (1 / 255, 0.0),
        "hub": (facts.options.get("scale", 1.0), facts.options.get("offset", 0.0)),
    }
    if facts.preprocessing == "none":
        return pixels
    factor, offset = scale[facts.preprocessing]
    # In float32 even under a mixed policy: bfloat16 would round the scaled pixels.
    return keras.layers.Rescaling(factor, offset=offset, dtype="float32", name="preprocess")(pixels)
