"""Write a SavedModel that takes raw images, in the layout that TF Serving reads."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfvision.data.boxes.resizing import predicted_boxes
from tfvision.data.pixels.resize import resize_images
from tfvision.errors import RunError
from tfvision.export.calling import make_callable
from tfvision.export.encoded import marked_broken, prepare_encoded
from tfvision.models.decision import Decision, least_probability
from tfvision.models.model_file import ModelFacts
from tfvision.prediction.stored import DIGESTS_FILE, FACTS_FILE, newest_version
from tfvision.system.digests import list_digests
from tfvision.system.files import remove_abandoned
from tfvision.tasks import BOX, PROBABILITIES, outputs_of

_UNFINISHED = ".unfinished-"  # followed by the id of the process that writes it


Endpoints = tuple[tf.Module, dict[str, Callable[..., Any]]]


def write_saved_model(endpoints: Endpoints, facts: ModelFacts, folder: Path) -> Path:
    """Write what is served, with its class names, to a temporary folder beside the published versions.

    Args:
        endpoints: A module that holds the variables, and the functions to serve by name.
        facts: Facts stored with the model: task, class names, resize, decision.
        folder: The folder of the versions, such as `saved_models/<name>`; made if missing.

    Returns:
        The temporary folder, for `publish` to rename once it has been checked.

    Raises:
        RunError: The disk is full, or the folder cannot be written to.
    """
    temporary = folder / f"{_UNFINISHED}{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder, _UNFINISHED)
        temporary.mkdir()  # refuses a link that somebody has planted under its name
        module, signatures = endpoints
        tf.saved_model.save(module, str(temporary), signatures=signatures)
        (temporary / FACTS_FILE).parent.mkdir(exist_ok=True)
        (temporary / FACTS_FILE).write_text(facts.to_json(), encoding="utf-8")
        list_digests(temporary, temporary / DIGESTS_FILE)
    except (OSError, tf.errors.OpError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise RunError(f"cannot write the SavedModel into {folder}: {str(error).splitlines()[0]}") from error
    return temporary


def publish(temporary: Path, folder: Path) -> Path:
    """Publish a checked SavedModel by renaming it to the next version number.

    Args:
        temporary: Folder of the SavedModel, from `write_saved_model`.
        folder: The folder of the versions.

    Returns:
        The folder of the new version.
    """
    newest = newest_version(folder)
    version = folder / str(int(newest.name) + 1 if newest else 1)
    os.rename(temporary, version)
    return version


def model_endpoints(model: keras.Model, facts: ModelFacts) -> Endpoints:
    """Return a module that holds the model's variables, and the functions to serve.

    Args:
        model: Takes raw pixels at the model's size; returns probabilities, boxes or both.
        facts: Facts stored with the model.

    Returns:
        The module; `serving_default`, which takes decoded images of one size, uint8 (b, height, width, 3), and
        `serve_bytes`, which takes JPEG and PNG files of any sizes, string (b,), turns them upright by EXIF, and answers
        NaN, class -1 and "" for one that cannot be decoded.
    """
    module = tf.Module()
    # The variables that the graph reads. Keras' own export searches the whole model for them and takes twice as long.
    module.model_variables = [variable.value for variable in model.variables]
    answer = _answering(model, facts)
    pixels = tf.TensorSpec((facts.resize.height, facts.resize.width, facts.resize.channels), tf.uint8)
    # A model for gray images takes RGB too, and converts it to gray as in training.
    channels = 3 if facts.resize.channels == 3 else None

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, channels), tf.uint8, name="images")])
    def serving_default(images: tf.Tensor) -> dict[str, tf.Tensor]:
        sizes = tf.repeat(tf.shape(images)[tf.newaxis, 1:3], tf.shape(images)[0], axis=0)
        return answer(resize_images(images, facts.resize), sizes)

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="encoded")])
    def serve_bytes(encoded: tf.Tensor) -> dict[str, tf.Tensor]:
        prepared = prepare_encoded(encoded, lambda image: [resize_images(image, facts.resize)], [pixels])
        return marked_broken(answer(prepared.tensors[0], prepared.sizes), prepared.is_whole)

    make_callable(module, serving_default, channels)
    return module, {"serving_default": serving_default, "serve_bytes": serve_bytes}


def _answering(model: keras.Model, facts: ModelFacts) -> Callable[[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]:
    """Return a function from pixels at the model's size to the outputs of an endpoint, traced once for both endpoints.

    Besides the pixels it takes the original height and width of each image, int32 (b, 2), to scale boxes to.
    """
    resize = facts.resize
    pixels_spec = tf.TensorSpec((None, resize.height, resize.width, resize.channels), tf.uint8)

    @tf.function(input_signature=[pixels_spec, tf.TensorSpec((None, 2), tf.int32)])
    def answer(pixels: tf.Tensor, sizes: tf.Tensor) -> dict[str, tf.Tensor]:
        given = model(pixels, training=False)
        outputs = given if isinstance(given, dict) else {outputs_of(facts.task)[0]: given}
        answers = {}
        if BOX in outputs:
            answers[BOX] = tf.cast(predicted_boxes(outputs[BOX], sizes, resize), tf.float32)
        if PROBABILITIES in outputs:
            answers |= class_answers(outputs[PROBABILITIES], facts)
        return answers

    return answer


def _decide(outputs: tf.Tensor, decision: Decision | None) -> tuple[tf.Tensor, tf.Tensor]:
    """Return probabilities and classes by a decision, computed in float64 as in `Decision`."""
    if decision is None:
        return outputs, tf.argmax(outputs, axis=-1)
    least = tf.constant(least_probability(outputs.shape[-1]), tf.float64)
    logits = tf.math.log(tf.maximum(tf.cast(outputs, tf.float64), least)) / decision.temperature
    scores = tf.nn.log_softmax(logits) + (tf.constant(decision.offsets, tf.float64) if decision.offsets else 0.0)
    probabilities = outputs if decision.temperature == 1 else tf.cast(tf.nn.softmax(logits), tf.float32)
    return probabilities, tf.argmax(scores, axis=-1)


def class_answers(outputs: tf.Tensor, facts: ModelFacts) -> dict[str, tf.Tensor]:
    """Return the probabilities, the class and its name.

    Args:
        outputs: float32 (b, classes), or (b, 1) from one sigmoid unit.
        facts: Class names and decision.

    Returns:
        `probabilities`, `class` and `class_name`.
    """
    if len(facts.class_names) == 2 and outputs.shape[-1] == 1:
        outputs = tf.concat([1.0 - outputs, outputs], axis=-1)
    outputs, predicted = _decide(outputs, facts.decision)
    names = tf.gather(tf.constant(facts.class_names), predicted)
    return {PROBABILITIES: outputs, "class": predicted, "class_name": names}
