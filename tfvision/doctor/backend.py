"""TensorFlow as a training would find it: imported in a process of its own, which may hang or crash without harm."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from typing import IO, Any

from tfvision.doctor.diagnosis import HealthCheck
from tfvision.doctor.requirements import install_command, with_range
from tfvision.errors import one_line

_KILLED = -9  # SIGKILL, which Windows does not have
_MARK = "tfvision-doctor:"
# It imports as the asking process would, and computes once: an instruction that the processor lacks shows only then.
_SCRIPT = f"""
import gc, json, os, sys
sys.path[:] = json.loads(sys.argv[1])
gc.disable()  # it would search a million objects that stay, see `importing`
import keras
import tensorflow as tf
gpus = tf.config.list_physical_devices("GPU")
for gpu in gpus:
    tf.config.experimental.set_memory_growth(gpu, True)
names = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]
product = float(tf.reduce_sum(tf.ones((2, 2)) @ tf.ones((2, 2))))
found = {{"tensorflow": tf.__version__, "keras": keras.__version__, "backend": keras.config.backend(), "gpus": names,
         "cuda": tf.sysconfig.get_build_info().get("cuda_version", ""), "product": product}}
print({_MARK!r} + json.dumps(found), flush=True)
os._exit(0)  # what it would tidy up first takes a second
"""


@dataclass
class Started:
    """A process that imports TensorFlow.

    Attributes:
        process: The process.
        said, complained: Its output and its messages, in files: a pipe that nobody reads could fill up.
        since: When it was started, by the monotonic clock.
    """

    process: "subprocess.Popen[bytes]"
    said: IO[bytes]
    complained: IO[bytes]
    since: float = field(default_factory=time.monotonic)

    def wait(self, timeout: float) -> tuple[dict[str, Any] | None, HealthCheck]:
        """Wait until TensorFlow is imported and has computed, or failed to.

        Args:
            timeout: Seconds from its start, after which the process is ended.

        Returns:
            Versions, backend and GPUs, or None if it failed; and what there is to say about it.
        """
        with self.said, self.complained:
            try:
                status = self.process.wait(max(0.0, self.since + timeout - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                return None, _too_slow(timeout)
            seconds = time.monotonic() - self.since
            said, complained = (_text_of(file) for file in (self.said, self.complained))
        line = next((line for line in said.splitlines() if line.startswith(_MARK)), None)
        if status or line is None:
            return None, _failed(status, complained)
        found = json.loads(line.removeprefix(_MARK)) | {"seconds": round(seconds, 1)}
        if found["product"] != 8:
            return None, _repair("TensorFlow computes wrongly: a sum that is 8 came out as " + str(found["product"]))
        says = f"TensorFlow {found['tensorflow']} and Keras {found['keras']} start in {seconds:.0f} s and compute"
        return found, HealthCheck("tensorflow", says)


def start_tensorflow() -> Started:
    """Begin to import TensorFlow in a process of its own, as this process would import it."""
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    said, complained = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115  (closed by `wait`)
    process = subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, json.dumps(sys.path)],
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=complained,
        env=environment,
    )
    return Started(process, said, complained)


def _too_slow(timeout: float) -> HealthCheck:
    says = f"TensorFlow did not start within {timeout:g} s; a full memory, a slow disk or a driver that hangs can cause this"
    return HealthCheck("tensorflow", says, "wrong", f"{sys.executable} -X importtime -c 'import tensorflow'")


def _failed(status: int, complained: str) -> HealthCheck:
    """Say why the process ended without an answer."""
    if status == -signal.SIGILL:
        return HealthCheck(
            "tensorflow",
            "TensorFlow crashed: this processor lacks an instruction (AVX) that its packages need; use another machine",
            "wrong",
        )
    if status == _KILLED:
        return HealthCheck(
            "tensorflow", "TensorFlow was killed while it started, most likely for want of memory", "wrong"
        )
    if status < 0:
        return _repair(f"TensorFlow crashed while it started ({signal.Signals(-status).name})")
    lines = [line for line in complained.splitlines() if line.strip() and not line.startswith((" ", "\t"))]
    reason = one_line(Exception(lines[-1]), 300) if lines else f"exit status {status}"
    if "No module named 'tensorflow'" in reason:
        return HealthCheck(
            "tensorflow", "TensorFlow is not installed", "wrong", install_command(with_range("tensorflow"))
        )
    return _repair(f"TensorFlow or Keras cannot be imported: {reason}")


def _repair(says: str) -> HealthCheck:
    return HealthCheck(
        "tensorflow", says, "wrong", install_command(with_range("tensorflow"), with_range("keras"), again=True)
    )


def _text_of(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")
