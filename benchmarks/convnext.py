"""ConvNeXtTiny of tfvision against that of keras.applications: images per second at 96 px, in batches of 32.

python benchmarks/convnext.py [--rounds 5]
"""

import argparse
import os
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from measure import paired, print_table

from tfvision.models.classifier import build_classifier

BATCH, SIDE, CLASSES = 32, 96, 8


def stock() -> keras.Model:
    """Return a classifier on the stock application, as a Keras user would build it."""
    base = keras.applications.ConvNeXtTiny(include_top=False, weights=None, input_shape=(SIDE, SIDE, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(base.output)
    return keras.Model(base.input, keras.layers.Dense(CLASSES, activation="softmax")(pooled))


def step(model: keras.Model, *, train: bool) -> Callable[[], object]:
    """Return a function that runs one step on one batch."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (BATCH, SIDE, SIDE, 3)).astype(np.float32)
    labels = generator.integers(0, CLASSES, BATCH)
    model.compile("adam", "sparse_categorical_crossentropy")
    return lambda: model.train_on_batch(images, labels) if train else model.predict_on_batch(images)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    ours, other = build_classifier("convnext_tiny", CLASSES, image_size=SIDE, weights="none"), stock()
    rows = [
        paired("ConvNeXtTiny, train all layers", step(ours, train=True), step(other, train=True), rounds),
        paired("ConvNeXtTiny, predict", step(ours, train=False), step(other, train=False), rounds),
    ]
    print_table(rows, lambda seconds: f"{BATCH / seconds:.1f} img/s")


if __name__ == "__main__":
    main()
