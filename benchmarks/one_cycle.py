"""The other side of `presets.py`: fine-tuning as fastai does it, in plain Keras, on the split that `tfvision train` makes.

    python benchmarks/one_cycle.py eurosat.zip --limit 3000 --image-size 96 [other options of `tfvision train`]

One epoch of the head, then `--epochs` (5) of everything, each by the one-cycle policy, with rates that are a hundred
times lower at the bottom of the backbone than in the head (Howard and Gugger, "fastai: A Layered API for Deep
Learning", 2020: `fine_tune(5)` with its defaults). The head is fastai's: average and maximum, a hidden layer of 512.
Batch normalization of the backbone stays frozen, since the weights at hand need it; the momentum does not cycle.
Prints `validation ACCURACY test ACCURACY n COUNT`.
"""

import math
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from collections.abc import Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from tfvision.cli.train import add_training, train_config
from tfvision.config.flags import Parser
from tfvision.data.augmentation.options import Augmentation
from tfvision.data.batches.pipeline import evaluation_batches, training_batches
from tfvision.data.images.imageset import ImageSet
from tfvision.data.pixels.resize import Resize
from tfvision.experiment.building import suit_images
from tfvision.experiment.preparation import read_images
from tfvision.experiment.resolving import resolve_options
from tfvision.models.classifier import build_open_backbone
from tfvision.models.freezing import backbone_layers, open_layers

PARTS = ("validation", "test")
RATE, LOWEST = 2e-3, 1 / 100  # fastai's base_lr, and 1 / lr_mult
AUGMENTATION = Augmentation(rotation=10, zoom=0.1, brightness=0.1, contrast=0.2)


def main() -> None:
    parser = Parser(description=__doc__)
    parser.set_defaults(config=None)
    add_training(parser)
    given = train_config(parser.parse_args())
    config, data = read_images(resolve_options(given))
    config = suit_images(config, data)
    assert config.image_size and config.channels
    keras.utils.set_random_seed(config.seed)
    backbone = build_open_backbone(config.backbone, image_size=config.image_size, weights=config.weights)
    model = keras.Model(backbone.pixels, fastai_head(backbone.features, len(data.images.class_names)))
    resize = Resize(config.image_size, config.image_size, channels=config.channels)
    epochs = given.epochs or 5
    batches = training_batches(
        data.images.select(np.flatnonzero(data.split == "train")),
        resize=resize,
        batch_size=64,
        seed=config.seed,
        epochs=1 + epochs,
        augmentation=AUGMENTATION,
    )
    steps, feed = batches.steps_per_epoch, iter(batches.dataset)
    open_layers(model, "none")
    one_cycle(model, [model.trainable_variables], [RATE], feed, steps, rising=0.99, start=25)
    open_layers(model, "all")
    groups = thirds(model)
    rates = [RATE / 2 * LOWEST ** (1 - place / (len(groups) - 1)) for place in range(len(groups))]
    one_cycle(model, groups, rates, feed, steps * epochs, rising=0.3, start=5)
    scores = [accuracy(model, data.images.select(np.flatnonzero(data.split == part)), resize) for part in PARTS]
    print(f"validation {scores[0]:.4f} test {scores[1]:.4f} n {np.sum(data.split == 'test')}")


def fastai_head(features: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """Return probabilities (batch, classes) of feature maps (batch, h, w, channels)."""
    layers = keras.layers
    pooled = [layers.GlobalAveragePooling2D()(features), layers.GlobalMaxPooling2D()(features)]
    vector = layers.Dropout(0.25)(layers.BatchNormalization()(layers.Concatenate()(pooled)))
    hidden = layers.Dense(512, use_bias=False, activation="relu")(vector)
    hidden = layers.Dropout(0.5)(layers.BatchNormalization()(hidden))
    return layers.Dense(classes, use_bias=False, activation="softmax")(hidden)


def thirds(model: keras.Model) -> list[list[keras.Variable]]:
    """Return the trainable variables in fastai's groups: lower and upper half of the backbone, and the head."""
    layers = backbone_layers(model)
    halves = [{id(v) for layer in half for v in layer.variables} for half in _halved(layers)]
    lower, upper = ([v for v in model.trainable_variables if id(v) in half] for half in halves)
    return [lower, upper, [v for v in model.trainable_variables if not any(id(v) in half for half in halves)]]


def _halved(layers: Sequence[keras.layers.Layer]) -> tuple[Sequence[keras.layers.Layer], ...]:
    return layers[: len(layers) // 2], layers[len(layers) // 2 :]


def one_cycle(
    model: keras.Model,
    groups: Sequence[list[keras.Variable]],
    rates: Sequence[float],
    feed: Iterator[tuple[tf.Tensor, tf.Tensor]],
    steps: int,
    *,
    rising: float,
    start: float,
) -> None:
    """Train for one cycle: half a cosine up from a `start`-th of each group's rate, and one down to nearly nothing."""
    optimizers = [keras.optimizers.AdamW(rate, 0.01, beta_2=0.99, epsilon=1e-5) for rate in rates]
    for optimizer, variables in zip(optimizers, groups, strict=True):
        optimizer.build(variables)
    flat = [v for variables in groups for v in variables]

    @tf.function(reduce_retracing=True)
    def step(pixels: tf.Tensor, labels: tf.Tensor) -> None:
        if labels.shape[-1] == 1:
            labels = tf.concat([1 - labels, labels], axis=-1)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(keras.losses.categorical_crossentropy(labels, model(pixels, training=True)))
        gradients = iter(tape.gradient(loss, [v.value for v in flat]))
        for optimizer, variables in zip(optimizers, groups, strict=True):
            optimizer.apply([next(gradients) for _ in variables], variables)

    for number in range(steps):
        share = number / steps
        if share < rising:
            factor = _cosine(1 / start, 1, share / rising)
        else:
            factor = _cosine(1, 1e-5, (share - rising) / (1 - rising))
        for optimizer, rate in zip(optimizers, rates, strict=True):
            optimizer.learning_rate.assign(rate * factor)
        step(*next(feed))


def _cosine(first: float, last: float, share: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2


def accuracy(model: keras.Model, images: ImageSet, resize: Resize) -> float:
    """Return the share of images whose most probable class is their own."""
    probabilities = model.predict(evaluation_batches(images, resize=resize, batch_size=64, labelled=False), verbose=0)
    return float(np.mean(probabilities.argmax(axis=1) == images.labels))


if __name__ == "__main__":
    main()
