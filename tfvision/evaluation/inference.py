"""Run a model over batches, with a progress line."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvision.errors import RunError, TfvisionError
from tfvision.system.interruption import raise_if_interrupted
from tfvision.system.terminal import ProgressLine

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


def run_model(model: "keras.Model", batches: "tf.data.Dataset", *, what: str, total: int) -> Any:
    """Return the output of a model for all batches, in order.

    Args:
        model: A Keras model; it need not be compiled.
        batches: A `tf.data.Dataset` of uint8 image batches.
        what: Name of the work for the progress line.
        total: Number of images.

    Returns:
        float32 `(total, ...)`, or for a model with named outputs a dictionary of such arrays.

    Raises:
        DataError: An image can no longer be read.
        RunError: TensorFlow failed, for example out of memory.
    """
    with one_line_errors():
        found = list(zip(*run_batches(model, batches, what=what, total=total), strict=True))
    outputs = [np.concatenate(blocks) for blocks in found]
    return dict(zip(sorted(model.output), outputs, strict=True)) if isinstance(model.output, dict) else outputs[0]


def run_batches(
    model: "keras.Model", batches: "tf.data.Dataset", *, what: str, total: int
) -> Iterator[list[np.ndarray]]:
    """Yield the outputs of a model batch by batch, so that they need not all be in memory at once.

    Args:
        model: A Keras model; it need not be compiled. It runs in inference mode.
        batches: A `tf.data.Dataset` of image batches.
        what: Name of the work for the progress line.
        total: Number of images.

    Yields:
        The model's outputs for one batch, named ones sorted by name; each `(batch, ...)`.
    """
    import keras

    if not model.compiled:
        model.jit_compile = bool(keras.distribution.list_devices("gpu"))  # XLA is several times slower on CPU
    with ProgressLine(what, total) as line:
        done = 0
        for batch in batches:
            outputs = model.predict_on_batch(batch)
            if isinstance(outputs, dict):
                outputs = [outputs[name] for name in sorted(outputs)]
            outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
            done += len(outputs[0])
            line.report(done)
            yield outputs


@contextmanager
def one_line_errors(batch_size: int | None = None) -> Iterator[None]:
    """Turn what TensorFlow raises during training or prediction into a one-line error.

    Args:
        batch_size: Images per step, for the advice when memory runs out; None if unknown.

    Yields:
        Nothing; the work goes inside the `with` block.

    Raises:
        DataError: An image can no longer be read.
        RunError: Out of memory, or any other TensorFlow error.
    """
    try:
        yield
    except TfvisionError:
        raise
    except MemoryError as error:
        raise _out_of_memory(batch_size) from error
    except Exception as error:
        raise_if_interrupted()
        import tensorflow as tf

        from tfvision.data.batches.pipeline import data_error

        if not isinstance(error, tf.errors.OpError):
            raise
        if isinstance(error, tf.errors.ResourceExhaustedError):
            raise _out_of_memory(batch_size) from error
        if found := data_error(error):
            raise found from error
        raise RunError(f"TensorFlow failed: {str(error).splitlines()[0][:300]}") from error


def _out_of_memory(batch_size: int | None) -> RunError:
    if batch_size == 1:
        return RunError("out of memory with single images; try a smaller --image-size")
    smaller = f"--batch-size {batch_size // 2}" if batch_size else "half the --batch-size"
    return RunError(f"out of memory; try {smaller} or a smaller --image-size")
