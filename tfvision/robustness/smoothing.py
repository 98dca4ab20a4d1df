"""Randomized smoothing: the class that a model names most often under Gaussian noise, and how far it cannot change.

After Cohen, Rosenfeld and Kolter, "Certified Adversarial Robustness via Randomized Smoothing", ICML 2019. Imports
TensorFlow, so it is imported only once everything that can be refused has been.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfvision.errors import RunError
from tfvision.evaluation.binomial import clopper_pearson_lower
from tfvision.evaluation.inference import one_line_errors
from tfvision.evaluation.predictions import class_probabilities
from tfvision.models.decision import Decision
from tfvision.models.model_file import ModelFacts
from tfvision.prediction.predictors import KerasPredictor, Predictor, SavedModelPredictor
from tfvision.tasks import PROBABILITIES

BLOCK = 16  # draws that share a key, so that a draw is the same in batches of any size
_BATCHES = 32  # of one call, whose answers are in memory together
Answer = Callable[[tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class NoisyClassifier:
    """A classifier with its stored decision, asked about noisy copies of an image.

    Attributes:
        facts: The classes and the decision.
        calibrated: Whether the answers have the temperature in them already.
        answers: Compiled: pixels, float32 (height, width, channels), the image's key, int64 (), the first draw and the
            one after the last, int32 (), to what the model says of these draws, float32 (draws, outputs).
        stride: Draws of one call.
    """

    facts: ModelFacts
    calibrated: bool
    answers: Callable[..., tf.Tensor]
    stride: int

    def classes(self, pixels: np.ndarray, key: int, draws: int) -> np.ndarray:
        """Return the class of each noisy copy of an image.

        Args:
            pixels: (height, width, channels) at the model's size, 0..255.
            key: Decides the noise, see `noise_key`.
            draws: Number of copies.

        Returns:
            int64 (draws,).

        Raises:
            RunError: The model gives NaN, or TensorFlow failed.
        """
        with one_line_errors():
            steps = range(0, draws, self.stride)
            image, named = tf.constant(pixels, tf.float32), tf.constant(key, tf.int64)
            found = [self._decide(self.answers(image, named, *self._span(start, draws))) for start in steps]
        return np.concatenate(found)

    def _span(self, start: int, draws: int) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.constant(start), tf.constant(min(start + self.stride, draws))

    def _decide(self, answers: tf.Tensor) -> np.ndarray:
        probabilities = class_probabilities(answers.numpy(), len(self.facts.class_names))
        if not np.isfinite(probabilities).all():
            raise RunError("the model gives probabilities that are NaN; its weights are probably broken")
        decision = self.facts.decision or Decision()
        return decision.decide(probabilities if self.calibrated else decision.calibrate(probabilities))


def noisy_classifier(predictor: Predictor, sigma: float, batch_size: int) -> NoisyClassifier:
    """Prepare a model for questions about noisy images.

    Args:
        predictor: A model that predicts classes alone.
        sigma: Standard deviation of the noise, in pixel values 0..255.
        batch_size: Draws per step, rounded up to a multiple of `BLOCK`.

    Returns:
        The classifier, compiled when it is first asked.
    """
    batch = -(-batch_size // BLOCK) * BLOCK
    answers = _compiled(_answer_of(predictor), sigma, batch)
    return NoisyClassifier(predictor.facts, isinstance(predictor, SavedModelPredictor), answers, batch * _BATCHES)


def noise_key(seed: int, image_id: str) -> int:
    """Return what decides the noise of an image, int64, and depends on nothing but the seed and its id."""
    digest = hashlib.blake2b(f"{seed}/noise/{image_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def draw_noise(key: tf.Tensor, start: tf.Tensor, stop: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    """Return standard Gaussian noise for some draws of an image, the same whatever else is drawn with them.

    Args:
        key: int64 (), see `noise_key`.
        start: int32 (), number of the first draw, a multiple of `BLOCK`.
        stop: int32 (), number of the draw after the last.
        shape: Height, width and channels.

    Returns:
        float32 (stop - start, height, width, channels).
    """

    def draw_block(block: tf.Tensor) -> tf.Tensor:
        seed = tf.stack([key, tf.cast(block, tf.int64)])
        return tf.random.stateless_normal((BLOCK, *shape), seed, alg="philox")  # the same on every device

    blocks = tf.range(start // BLOCK, (stop + BLOCK - 1) // BLOCK)
    noise = tf.map_fn(draw_block, blocks, fn_output_signature=tf.TensorSpec((BLOCK, *shape), tf.float32))
    return tf.reshape(noise, (-1, *shape))[: stop - start]


def certify_classes(classes: np.ndarray, n0: int, num_classes: int, *, alpha: float, sigma: float) -> tuple[int, float]:
    """Choose the class of an image and bound the radius in which it cannot change: CERTIFY of the paper.

    The class is the most frequent of the first `n0` draws. Its probability is bounded from below by Clopper and Pearson
    on the other draws alone, since a bound on draws that also chose the class would be too high.

    Args:
        classes: int (draws,), the class of each noisy copy, more than `n0`.
        n0: Draws that choose the class.
        num_classes: Number of classes.
        alpha: Chance that the bound is too high.
        sigma: Standard deviation of the noise.

    Returns:
        The class and `sigma * Phi^-1(bound)`, in the units of sigma; (-1, 0.0) where the bound is not above one half.
    """
    from scipy.special import ndtri

    chosen = int(np.bincount(classes[:n0], minlength=num_classes).argmax())
    rest = classes[n0:]
    bound = clopper_pearson_lower(int(np.sum(rest == chosen)), len(rest), alpha)
    return (chosen, float(sigma * ndtri(bound))) if bound > 0.5 else (-1, 0.0)


def _answer_of(predictor: Predictor) -> Answer:
    """Return what a model says of float pixels (b, height, width, channels), as a function for a graph.

    A SavedModel takes bytes. Rounding and clipping then are the first step of the classifier that is certified, which
    the theorem allows: it asks for exact noise at the input of any fixed function.
    """
    if isinstance(predictor, SavedModelPredictor):
        serve = predictor.loaded.signatures["serving_default"]

        def served(pixels: tf.Tensor) -> tf.Tensor:
            rounded = tf.cast(tf.clip_by_value(tf.round(pixels), 0.0, 255.0), tf.uint8)
            return tf.cast(serve(images=rounded)[PROBABILITIES], tf.float32)

        return served
    assert isinstance(predictor, KerasPredictor)  # there are no others
    model = predictor.model
    return lambda pixels: tf.cast(model(pixels, training=False), tf.float32)


def _compiled(answer: Answer, sigma: float, batch: int) -> Callable[..., tf.Tensor]:
    """Return the loop over batches of draws as one graph, in which one batch of noisy images exists at a time."""

    @tf.function(reduce_retracing=True)
    def answers(pixels: tf.Tensor, key: tf.Tensor, start: tf.Tensor, stop: tf.Tensor) -> tf.Tensor:
        shape = tuple(pixels.shape)

        def step(number: tf.Tensor, found: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            first = start + number * batch
            noise = draw_noise(key, first, tf.minimum(first + batch, stop), shape)
            return number + 1, found.write(number, answer(pixels + sigma * noise))

        steps = (stop - start + batch - 1) // batch
        found = tf.TensorArray(tf.float32, size=steps, infer_shape=False)
        _, found = tf.while_loop(lambda number, _: number < steps, step, (0, found), parallel_iterations=1)
        return found.concat()

    return answers
