"""ConvNeXtTiny of tfvision against that of keras.applications: images a second at 96 px.

python benchmarks/convnext.py [--rounds 5] [--batch 32] [--steps train predict]
"""

import argparse
import os
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from measure import paired, print_table

from tfvision.models.classifier import build_classifier

SIDE, CLASSES = 96, 8
STEPS = {"train": "train all layers", "predict": "predict"}


def stock() -> keras.Model:
    """Return a classifier on the stock application, as a Keras user would build it."""
    base = keras.applications.ConvNeXtTiny(include_top=False, weights=None, input_shape=(SIDE, SIDE, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(base.output)
    return keras.Model(base.input, keras.layers.Dense(CLASSES, activation="softmax")(pooled))


def step(model: keras.Model, batch: int, *, train: bool) -> Callable[[], object]:
    """Return a call of one step on one batch."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (batch, SIDE, SIDE, 3)).astype(np.float32)
    labels = generator.integers(0, CLASSES, batch)
    model.compile("adam", "sparse_categorical_crossentropy")
    return lambda: model.train_on_batch(images, labels) if train else model.predict_on_batch(images)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    options = parser.parse_args()
    ours, other = build_classifier("convnext_tiny", CLASSES, image_size=SIDE, weights="none"), stock()
    rows = []
    for name in options.steps:
        sides = [step(model, options.batch, train=name == "train") for model in (ours, other)]
        rows.append(paired(f"ConvNeXtTiny, {STEPS[name]}", *sides, options.rounds))
    print_table(rows, lambda seconds: f"{options.batch / seconds:.1f} img/s")


if __name__ == "__main__":
    main()
