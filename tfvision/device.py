"""Where a run computes."""

import re

from tfvision.errors import UsageError


def use_device(name: str) -> None:
    """Let TensorFlow see one device only, before anything was computed.

    Args:
        name: `cpu`, `gpu` (the first one) or `gpu:1`.

    Raises:
        UsageError: Another word, or there is no such GPU.
    """
    match = re.fullmatch(r"cpu|gpu(?::(\d+))?", name)
    if not match:
        raise UsageError(f"--device {name}: expected cpu, gpu or gpu:1")
    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    number = int(match[1] or 0)
    if name != "cpu" and number >= len(found):
        raise UsageError(f"--device {name}: TensorFlow sees {len(found)} GPUs on this machine; use cpu")
    tf.config.set_visible_devices([] if name == "cpu" else found[number], "GPU")
