"""An ensemble as one SavedModel: images are decoded once, every member resizes and preprocesses them in its own way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import tensorflow as tf

from tfvision.data.pixels.resize import resize_images
from tfvision.export.calling import make_callable
from tfvision.export.encoded import marked_broken, prepare_encoded
from tfvision.export.savedmodel import Endpoints, class_answers
from tfvision.models.combination import Combination
from tfvision.models.decision import least_probability
from tfvision.models.heads.shallow_heads import is_stepped
from tfvision.prediction.ensemble import EnsemblePredictor
from tfvision.prediction.predictors import ClassPredictor, KerasPredictor, SavedModelPredictor
from tfvision.tasks import PROBABILITIES


@dataclass(frozen=True)
class _Part:
    """A member in three steps, since encoded images have different sizes and can only be prepared one by one.

    Attributes:
        prepare: Of images of one size, uint8 (b, height, width, 3).
        prepare_one: Of one image, uint8 (height, width, 3).
        spec: Shape and dtype of one prepared image.
        answer: Calibrated probabilities, float32 (b, classes), of prepared images.
    """

    prepare: Callable[[tf.Tensor], tf.Tensor]
    prepare_one: Callable[[tf.Tensor], tf.Tensor]
    spec: tf.TensorSpec
    answer: Callable[[tf.Tensor], tf.Tensor]


def ensemble_endpoints(ensemble: EnsemblePredictor) -> Endpoints:
    """Return a module that holds the variables of all members, and the functions to serve.

    Args:
        ensemble: The loaded ensemble.

    Returns:
        The module and its functions, see `model_endpoints`.
    """
    module = tf.Module()
    module.members = [_variables(member) for member in ensemble.members]
    parts = [_part(member, ensemble.facts.class_names) for member in ensemble.members]
    channels = 3 if all(member.facts.resize.channels == 3 for member in ensemble.members) else None

    def answer(prepared: Sequence[tf.Tensor]) -> dict[str, tf.Tensor]:
        answers = [tf.cast(part.answer(each), tf.float64) for part, each in zip(parts, prepared, strict=True)]
        combined = _combine(tf.stack(answers), ensemble.combination)
        return class_answers(tf.cast(combined, tf.float32), ensemble.facts)

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, channels), tf.uint8, name="images")])
    def serving_default(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return answer([part.prepare(images) for part in parts])

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="encoded")])
    def serve_bytes(encoded: tf.Tensor) -> dict[str, tf.Tensor]:
        def prepare(image: tf.Tensor) -> list[tf.Tensor]:
            return [part.prepare_one(image) for part in parts]

        prepared = prepare_encoded(encoded, prepare, [part.spec for part in parts])
        return marked_broken(answer(prepared.tensors), prepared.is_whole)

    make_callable(module, serving_default, channels)
    return module, {"serving_default": serving_default, "serve_bytes": serve_bytes}


def jumps(ensemble: EnsemblePredictor) -> bool:
    """Tell whether the probabilities jump: those of votes do, and so do those of trees and neighbours."""
    models = [member.model for member in ensemble.members if isinstance(member, KerasPredictor)]
    return ensemble.combination.kind == "vote" or any(is_stepped(model) for model in models)


def _variables(member: ClassPredictor) -> object:
    """Return what the graph of a member reads, for the module to hold."""
    if isinstance(member, KerasPredictor):
        return [variable.value for variable in member.model.variables]
    assert isinstance(member, SavedModelPredictor), "an ensemble's members are runs and SavedModels"
    return member.loaded


def _part(member: ClassPredictor, class_names: tuple[str, ...]) -> _Part:
    columns = [member.facts.class_names.index(name) for name in class_names]
    if isinstance(member, KerasPredictor):
        return _keras_part(member, columns)
    assert isinstance(member, SavedModelPredictor), "an ensemble's members are runs and SavedModels"
    serve = member.loaded.signatures["serving_default"]

    def ask(images: tf.Tensor) -> tf.Tensor:
        return tf.gather(serve(images=images)[PROBABILITIES], columns, axis=1)

    spec = tf.TensorSpec((len(columns),), tf.float32)
    return _Part(ask, lambda image: ask(image[tf.newaxis])[0], spec, lambda answers: answers)


def _keras_part(member: KerasPredictor, columns: Sequence[int]) -> _Part:
    resize = member.facts.resize

    def prepare(images: tf.Tensor) -> tf.Tensor:
        return resize_images(images, resize)

    def answer(pixels: tf.Tensor) -> tf.Tensor:
        found = class_answers(member.model(pixels, training=False), member.facts)
        return tf.gather(found[PROBABILITIES], columns, axis=1)

    return _Part(prepare, prepare, tf.TensorSpec((resize.height, resize.width, resize.channels), tf.uint8), answer)


def _combine(answers: tf.Tensor, combination: Combination) -> tf.Tensor:
    """Return the probabilities of the ensemble, float64 (b, K), of those of its members, float64 (m, b, K).

    The same formulas as `Combination.combine`, in the graph.
    """
    weights = tf.constant(combination.weights, tf.float64)
    classes = answers.shape[2]
    mean = tf.tensordot(weights, answers, axes=1)
    if combination.kind == "mean":
        return mean
    if combination.kind == "vote":
        count = len(combination.weights)
        votes = tf.tensordot(weights, tf.one_hot(tf.argmax(answers, axis=2), classes, dtype=tf.float64), axes=1) * count
        return (votes + mean / 2) / (count + 0.5)
    logs = tf.math.log(tf.maximum(answers, tf.constant(least_probability(classes), tf.float64)))
    if combination.kind == "geometric":
        return tf.nn.softmax(tf.tensordot(weights, logs, axes=1))
    features = tf.concat(tf.unstack(logs, num=len(combination.weights)), axis=1)
    coefficients = tf.constant(combination.coefficients, tf.float64)
    return tf.nn.softmax(features @ coefficients + tf.constant(combination.intercepts, tf.float64))
