"""Running a model over batches, with progress."""

from typing import TYPE_CHECKING, Any

import numpy as np

from tfvision.progress import ProgressLine

if TYPE_CHECKING:
    import keras


def run_model(model: "keras.Model", batches: Any, *, what: str, total: int) -> np.ndarray:
    """Return the outputs of `model` for all batches, in order.

    Args:
        model: A Keras model; it need not be compiled.
        batches: A `tf.data.Dataset` of uint8 image batches, with or without labels.
        what: Name of the work for the progress line.
        total: Number of images.

    Returns:
        float32 `(total, ...)`.
    """
    import keras

    if not model.compiled:
        model.jit_compile = bool(keras.distribution.list_devices("gpu"))  # XLA is several times slower on CPU
    with ProgressLine(what, total) as line:
        done = 0

        def advance(batch: int, logs: dict[str, Any]) -> None:
            nonlocal done
            done = min(total, done + len(logs["outputs"]))
            line.report(done)

        callback = keras.callbacks.LambdaCallback()
        callback.on_predict_batch_end = advance
        return model.predict(batches, verbose=0, callbacks=[callback])
