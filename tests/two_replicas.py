"""Fit one model on one device and on two replicas: python tests/two_replicas.py  (a process of its own: devices are split)"""

import json
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np


def main() -> int:
    """Print the largest difference of weights and of predictions, and how far training moved them, as JSON."""
    import keras
    import tensorflow as tf

    import tfvision

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (48, 16, 16, 3)).astype(np.uint8)
    labels = np.eye(3, dtype=np.float32)[generator.integers(0, 3, 48)]
    found = []
    for devices in (["CPU:0"], ["CPU:0", "CPU:1"]):
        strategy = tf.distribute.MirroredStrategy(devices)
        assert strategy.num_replicas_in_sync == len(devices)
        with strategy.scope(), tempfile.TemporaryDirectory() as folder:
            keras.utils.set_random_seed(0)
            model = tfvision.build_classifier("small_cnn", 3, image_size=16, weights="none", head_dropout=0.0)
            before = model.get_weights()
            model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "categorical_crossentropy", metrics=["accuracy"])
            batches = tf.data.Dataset.from_tensor_slices((pixels, labels)).batch(16)
            callbacks = tfvision.callbacks(Path(folder) / "run")
            model.fit(batches, validation_data=batches, epochs=2, verbose=0, callbacks=callbacks)
        found.append((model.get_weights(), np.asarray(model(pixels))))

    def largest(first: list, second: list) -> float:
        return max(float(np.abs(a - b).max()) for a, b in zip(first, second, strict=True))

    facts = {
        "moved": largest(before, found[0][0]),
        "weights": largest(found[0][0], found[1][0]),
        "predictions": largest([found[0][1]], [found[1][1]]),
    }
    print(json.dumps(facts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
