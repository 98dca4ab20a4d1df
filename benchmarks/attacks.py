"""PGD of tfvision against that of the Adversarial Robustness Toolbox (ART) and a loop as tutorials have it: CPU time.

python benchmarks/attacks.py [--run RUN] [--images 256] [--side 64] [--steps 10] [--rounds 5] [--memory]

With `--run` its model and its own test images are attacked, else a model of random weights and random images, labelled
by what it says of them. Each side goes from arrays to arrays, without compilation; ours takes as many steps as the
others in the first rows, and lets images go that are misled (early stop) in the last. `ART, compiled` is ART with the
gradient of its estimator in a tf.function, as it does with the prediction by itself; its batches are of 32, its default,
and of 256. The budget of the first rows should leave 20 to 80 % of the accuracy: at the ends any attack looks like any
other. `--memory` prints the peak memory of ours on these images instead.
"""

import argparse
import os
import resource
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")

import keras
import numpy as np
import tensorflow as tf
from measure import paired, print_table

from tfvision.data.batches.pipeline import load_images
from tfvision.data.images.imageset import ImageSet
from tfvision.data.pixels.resize import Resize
from tfvision.data.sources.arrays.arrays import images_from_arrays
from tfvision.models.classifier import build_classifier
from tfvision.models.model_file import ModelFacts
from tfvision.prediction.predictors import KerasPredictor
from tfvision.prediction.stored import load_predictor
from tfvision.robustness.attacked import AttackedModel, attacked_model
from tfvision.robustness.attacker import Attacker
from tfvision.robustness.attacks.descent import projected_gradient
from tfvision.robustness.attacks.effort import Effort
from tfvision.robustness.campaign import start_campaign
from tfvision.robustness.halving import halving_epsilon
from tfvision.robustness.logits import recover_logits
from tfvision.runs.folder import open_run
from tfvision.runs.images import open_part
from tfvision.system.terminal import console

CLASSES, REACH = 9, 2.5
Attack = Callable[[], np.ndarray]


def load(options: argparse.Namespace) -> tuple[AttackedModel, ImageSet]:
    """Return a model and labelled images of its size that it is right about."""
    if options.run:
        model, run = attacked_model(str(options.run), load_predictor(options.run)), open_run(options.run)
        images = open_part(run, run.scored_part)
    else:
        model, images = _random(options)
    campaign = start_campaign(Attacker(model), images, 0)
    found = np.flatnonzero(campaign.clean)[: options.images]
    return model, campaign.images.select(found)


def _random(options: argparse.Namespace) -> tuple[AttackedModel, ImageSet]:
    side, names = options.side, tuple(f"class {number}" for number in range(CLASSES))
    keras.utils.set_random_seed(0)
    network = build_classifier(options.backbone, CLASSES, image_size=side, weights="none")
    pixels = np.random.default_rng(0).integers(0, 256, (options.images, side, side, 3), np.uint8)
    facts = ModelFacts(names, Resize(side, side), options.backbone)
    labels = network.predict(pixels, verbose=0).argmax(1)
    images = images_from_arrays(pixels, labels, class_names=names)
    return attacked_model(options.backbone, KerasPredictor(network, facts)), images


def ours(
    model: AttackedModel, pixels: np.ndarray, labels: np.ndarray, epsilon: float, steps: int, early: bool
) -> Attack:
    """Return our PGD, compiled, in the chunks that the verb uses."""
    side = pixels.shape[1]
    chunk = Attacker(model).chunk(side, side)
    answer = tf.function(model.logits, input_signature=[tf.TensorSpec((None, *pixels.shape[1:]))], autograph=False)
    signature = [tf.TensorSpec((None, *pixels.shape[1:])), tf.TensorSpec((None,), tf.int32)]

    @tf.function(input_signature=signature, autograph=False)
    def craft(images: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
        seed = tf.constant((0, 0))
        return projected_gradient(answer, images, own, tf.constant(epsilon), seed, steps=steps, early_stop=early).images

    starts = range(0, len(pixels), chunk)
    return lambda: np.concatenate([craft(pixels[i : i + chunk], labels[i : i + chunk]).numpy() for i in starts])


def plain(network: keras.Model, pixels: np.ndarray, labels: np.ndarray, epsilon: float, steps: int) -> Attack:
    """Return PGD as tutorials have it: a loop in Python around a tape."""

    def attack() -> np.ndarray:
        at = tf.constant(pixels + np.random.default_rng(0).uniform(-epsilon, epsilon, pixels.shape).astype(np.float32))
        for _ in range(steps):
            with tf.GradientTape() as tape:
                tape.watch(at)
                loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, network(at, training=False))
            at = at + REACH * epsilon / steps * tf.sign(tape.gradient(loss, at))
            at = tf.clip_by_value(tf.clip_by_value(at, pixels - epsilon, pixels + epsilon), 0, 255)
        return at.numpy()

    return attack


def art(
    network: keras.Model,
    pixels: np.ndarray,
    labels: np.ndarray,
    epsilon: float,
    steps: int,
    *,
    compiled: bool,
    batch: int,
) -> Attack:
    """Return PGD of ART with its estimator as it is, or with compiled gradient and prediction."""
    from art.attacks.evasion import ProjectedGradientDescent
    from art.estimators.classification import TensorFlowV2Classifier

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")

    class Compiled(TensorFlowV2Classifier):
        """ART's estimator, its gradient in a tf.function."""

        @tf.function
        def _gradient(self, images: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(images)
                total = loss(tf.argmax(own, 1), network(images, training=False))
            return tape.gradient(total, images)

        def loss_gradient(self, x: tf.Tensor, y: tf.Tensor, training_mode: bool = False, **_: object) -> tf.Tensor:
            return self._gradient(tf.convert_to_tensor(x, tf.float32), tf.convert_to_tensor(y))

    estimator = (Compiled if compiled else TensorFlowV2Classifier)(
        model=network,
        nb_classes=int(network.output.shape[1]),
        input_shape=pixels.shape[1:],
        loss_object=loss,
        clip_values=(0, 255),
    )
    sizes = {"eps": epsilon, "eps_step": REACH * epsilon / steps, "max_iter": steps, "num_random_init": 1}
    attack = ProjectedGradientDescent(estimator, **sizes, batch_size=batch, verbose=False)
    return lambda: attack.generate(pixels, np.eye(int(network.output.shape[1]), dtype=np.float32)[labels])


def measure(options: argparse.Namespace) -> None:
    """Time the attacks in pairs, and print what they leave."""
    model, images = load(options)
    pixels = load_images(images, np.arange(len(images)), model.facts.resize).astype(np.float32)
    labels = images.labels.astype(np.int32)
    network = recover_logits(model.predictor.model, fold=False).model
    epsilon = options.epsilon or _halving(model, images, options.steps)
    low, steps, given = 4 * epsilon, options.steps, (pixels, labels)
    same, early = (ours(model, *given, *budget) for budget in ((epsilon, steps, False), (low, steps, True)))
    others = {"tutorial": lambda value: plain(network, *given, value, steps)}
    if _has_art():
        for name, compiled in {"ART, compiled": True, "ART": False}.items():
            for batch in (256, 32):
                sides = {"compiled": compiled, "batch": batch}
                others[f"{name}, batches of {batch}"] = partial(art, network, *given, steps=steps, **sides)
    rows = [_row(f"PGD-{steps}, against {name}", same, make(epsilon), options) for name, make in others.items()]
    name, make = list(others.items())[min(1, len(others) - 1)]
    rows.append(_row(f"early stop, against {name}", early, make(low), options))
    print(f"{len(pixels)} images of {pixels.shape[1]} px, epsilon {epsilon:.3g} and, with early stop, {low:.3g}")
    print_table(rows, lambda seconds: f"{seconds:.2f} s CPU")
    sides = {"ours": (same, early)} | {name: (make(epsilon), make(low)) for name, make in others.items()}
    for name, attacks in sides.items():
        left = [np.mean(network.predict(attack(), verbose=0).argmax(1) == labels) for attack in attacks]
        print(f"accuracy left  {name:<30}{left[0]:.4f} and {left[1]:.4f}")


def _row(name: str, one: Attack, other: Attack, options: argparse.Namespace) -> object:
    return paired(name, one, other, options.rounds, time.process_time)


def _halving(model: AttackedModel, images: ImageSet, steps: int) -> float:
    campaign = start_campaign(Attacker(model, effort=Effort(steps=steps)), images, 0)
    return halving_epsilon(campaign, limit=128).get("epsilon", 8.0)


def _has_art() -> bool:
    try:
        import art  # noqa: F401
    except ImportError:
        print("ART is not installed, so only the tutorial's loop is timed; pip install 'tfvision[robustness]'")
        return False
    return True


def memory(options: argparse.Namespace) -> None:
    """Print the peak memory of our PGD on all images."""
    model, images = load(options)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    row = start_campaign(Attacker(model, effort=Effort(steps=options.steps)), images, 0).attack("pgd", 1.0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{len(row.right)} images of {options.side} px: peak {peak:.2f} GiB, before the attack {before:.2f} GiB")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--epsilon", type=float, help="default: what halves the accuracy")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--memory", action="store_true")
    options = parser.parse_args()
    console.quiet = True
    memory(options) if options.memory else measure(options)


if __name__ == "__main__":
    main()
