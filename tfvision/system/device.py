"""The device that a run computes on."""

import gc
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from tfvision.errors import UsageError
from tfvision.system.terminal import waiting

_NAMES = re.compile(r"cpu|gpu(?::(\d+))?")


_asked: list[str] = []  # the device chosen for this process, until TensorFlow is loaded


def use_device(name: str | None) -> None:
    """Choose where TensorFlow computes, before it is loaded; it will see no other device.

    Args:
        name: `cpu`, `gpu` (the first one) or `gpu:1`; None for the first GPU if there is one, else the CPU.

    Raises:
        UsageError: Another word, or there is no such GPU.
    """
    if name is not None and not _NAMES.fullmatch(name):
        raise UsageError(f"--device {name}: expected cpu, gpu or gpu:1")
    _asked[:] = [] if name is None else [name]
    if name is not None and name != "cpu":
        load_tensorflow()  # which alone knows the GPUs: a wrong number is refused before any image is read


def refuse_other_backend() -> None:
    """Refuse another backend of Keras than TensorFlow, before anything is imported.

    Raises:
        UsageError: The environment asks for one.
    """
    asked = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if asked != "tensorflow":
        raise UsageError(
            f"KERAS_BACKEND is {asked}, and tfvision runs on TensorFlow alone; unset it, or set tensorflow"
        )


def load_tensorflow() -> None:
    """Import TensorFlow and Keras, on the device that was chosen and without the messages printed on start-up.

    Keras is told to work in float32 with channels last, whatever `~/.keras/keras.json` of another project says. This
    takes some seconds, so check everything that can be checked without it first.

    Raises:
        UsageError: There is no such GPU, or Keras has another backend.
    """
    refuse_other_backend()
    os.environ["KERAS_BACKEND"] = "tensorflow"  # so that keras.json names no other
    is_first = "tensorflow" not in sys.modules
    with waiting("loading TensorFlow") if is_first else nullcontext(), quiet_start(), importing():
        import keras  # here, since it has as many objects as the rest
        import tensorflow as tf
    if keras.config.backend() != "tensorflow":
        raise UsageError(
            f"Keras was imported with the backend {keras.config.backend()}, and tfvision runs on TensorFlow alone; import "
            "tfvision first, or set KERAS_BACKEND=tensorflow"
        )
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    # Who imported it before has chosen what to be told; the command line has chosen silence, whoever calls it.
    if is_first or os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "3":
        tf.get_logger().setLevel("ERROR")  # it warns of retracing, which models of two input shapes cannot avoid
    if _asked:
        _see_only(_asked.pop())


def _see_only(name: str) -> None:
    """Let TensorFlow see one device only."""
    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    match = _NAMES.fullmatch(name)
    assert match is not None, "use_device lets no other name through"
    number = int(match[1] or 0)
    if name != "cpu" and number >= len(found):
        raise UsageError(f"--device {name}: TensorFlow sees {len(found)} GPUs on this machine; use cpu")
    tf.config.set_visible_devices([] if name == "cpu" else found[number], "GPU")


@contextmanager
def importing() -> Iterator[None]:
    """Leave out garbage collection while modules are imported, and what they made from each later one.

    They make a million objects that stay until the end. To search these again and again takes a quarter of the import
    of TensorFlow, and each full collection afterwards a third of a second.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


@contextmanager
def quiet_start() -> Iterator[None]:
    """Discard what TensorFlow prints about CPU instructions and CUDA while it is imported: nobody can act on it.

    It writes to the file descriptor before any log level takes effect, so it is the descriptor that is redirected.
    """
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def set_seed(seed: int) -> None:
    """Seed Python, NumPy and Keras, and make TensorFlow's kernels deterministic on a CPU."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    if not keras.distribution.list_devices("gpu"):
        tf.config.experimental.enable_op_determinism()
