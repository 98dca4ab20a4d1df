"""The folders of this machine in which weights are looked for."""

import os
from pathlib import Path

_OWN = (("TFVISION_WEIGHTS", ""), ("TFVISION_DATA", "weights"))


def weight_folders() -> list[Path]:
    """Return the folders that weights are looked for in: named by the environment, and where Keras keeps downloads."""
    keras_home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    own = [Path(os.environ[name]) / below for name, below in _OWN if os.environ.get(name)]
    return [*own, keras_home / "models"]
