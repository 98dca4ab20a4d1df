"""From a run to a SavedModel that takes raw images, in the layout TF Serving reads."""

import os
import shutil
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfvision.data.resize import resize_images
from tfvision.errors import RunError
from tfvision.prediction import FACTS_FILE, newest_version
from tfvision.runs import ModelFacts


def write_saved_model(model: keras.Model, facts: ModelFacts, folder: Path) -> Path:
    """Write a model with its resize and class names into an unfinished folder beside the versions.

    Args:
        model: Raw pixels of the model's size in, probabilities out.
        facts: Class names and resize.
        folder: `saved_models/<name>`; made if missing.

    Returns:
        The temporary folder, for `publish` to rename once it was checked.

    Raises:
        RunError: The disk is full or the folder cannot be written.
    """
    temporary = folder / f".unfinished-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        archive = keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint(
            "serving_default",
            lambda images: _answer(model, resize_images(images, facts.resize), facts.class_names),
            # A model of gray images takes RGB too, and weighs the colours as its training did.
            input_signature=[
                tf.TensorSpec((None, None, None, 3 if facts.resize.channels == 3 else None), tf.uint8, name="images")
            ],
        )
        archive.add_endpoint(
            "serve_bytes",
            lambda encoded: _answer(model, _decode(encoded, facts), facts.class_names),
            input_signature=[tf.TensorSpec((None,), tf.string, name="encoded")],
        )
        archive.write_out(str(temporary), verbose=False)
        (temporary / FACTS_FILE).parent.mkdir(exist_ok=True)
        (temporary / FACTS_FILE).write_text(facts.to_json(), encoding="utf-8")
    except (OSError, tf.errors.OpError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise RunError(f"cannot write the SavedModel into {folder}: {str(error).splitlines()[0]}") from error
    return temporary


def publish(temporary: Path, folder: Path) -> Path:
    """Rename a finished SavedModel to the next version number and return its folder."""
    newest = newest_version(folder)
    version = folder / str(int(newest.name) + 1 if newest else 1)
    os.rename(temporary, version)
    return version


def _answer(model: keras.Model, pixels: tf.Tensor, class_names: tuple[str, ...]) -> dict[str, Any]:
    outputs = model(pixels, training=False)
    if len(class_names) == 2 and outputs.shape[-1] == 1:
        outputs = tf.concat([1.0 - outputs, outputs], axis=-1)
    predicted = tf.argmax(outputs, axis=-1)
    return {
        "probabilities": outputs,
        "class": predicted,
        "class_name": tf.gather(tf.constant(class_names), predicted),
    }


def _decode(encoded: tf.Tensor, facts: ModelFacts) -> tf.Tensor:
    """Decode JPEG or PNG strings and resize each, since their sizes may differ."""

    def decode_one(data: tf.Tensor) -> tf.Tensor:
        # This kernel reads PNG too; the accurate transform is what the training's decoder uses.
        image = tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")
        return resize_images(image, facts.resize)

    size = (facts.resize.height, facts.resize.width, facts.resize.channels)
    return tf.map_fn(decode_one, encoded, fn_output_signature=tf.TensorSpec(size, tf.uint8))
