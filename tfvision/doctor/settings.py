"""Settings of Keras that belong to other projects: its backend, and ~/.keras/keras.json."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from tfvision.doctor.diagnosis import HealthCheck

# What tfvision works in, whatever the file says.
_OURS = {"backend": "tensorflow", "image_data_format": "channels_last", "floatx": "float32"}
_MODULES = ("tensorflow", "keras", "numpy", "cv2", "PIL", "sklearn", "h5py")


def check_settings() -> list[HealthCheck]:
    """Look at the environment, at Keras' file and at what hides a package.

    Returns:
        What is odd; one line if nothing is.
    """
    found = [*_check_backend(), *_check_file(), *_check_shadows()]
    return found or [HealthCheck("settings", "Keras runs on TensorFlow, and no setting says otherwise")]


def _check_backend() -> Iterator[HealthCheck]:
    asked = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if asked != "tensorflow":
        says = f"KERAS_BACKEND is {asked}, and tfvision runs on TensorFlow alone"
        yield HealthCheck("settings", says, "wrong", "unset KERAS_BACKEND")
    keras = sys.modules.get("keras")
    used = keras.config.backend() if keras and hasattr(keras, "config") else "tensorflow"
    if used != "tensorflow":
        says = f"Keras was imported here with the backend {used}; restart, and import tfvision first"
        yield HealthCheck("settings", says, "wrong", "export KERAS_BACKEND=tensorflow")


def _check_file() -> Iterator[HealthCheck]:
    path = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "keras.json"
    if not path.is_file():
        return
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        yield HealthCheck("settings", f"{path} cannot be read ({error}); Keras leaves it aside", "note", f"rm {path}")
        return
    other = {
        name: values[name]
        for name, ours in _OURS.items()
        if isinstance(values, dict) and values.get(name, ours) != ours
    }
    if other:
        told = ", ".join(f"{name} {value}" for name, value in other.items())
        says = f"{path} says {told}; tfvision sets its own, code that imports keras before tfvision gets these"
        yield HealthCheck("settings", says, "note")


def _check_shadows() -> Iterator[HealthCheck]:
    """Find files of the current folder that Python would import in place of a package."""
    if not any(Path(place or ".").resolve() == Path.cwd() for place in sys.path):
        return
    for name in _MODULES:
        for path in (Path(f"{name}.py"), Path(name, "__init__.py")):
            if path.is_file():
                hidden = path if path.suffix == ".py" and len(path.parts) == 1 else path.parent
                says = f"{hidden} in this folder hides the package {name}"
                yield HealthCheck("settings", says, "wrong", f"mv {hidden} my_{hidden}")
