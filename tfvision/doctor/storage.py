"""What is stored on this machine: weights, by the backbones that they serve, and caches."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfvision.config.options import leaves
from tfvision.doctor.diagnosis import HealthCheck, State
from tfvision.errors import UsageError, listing
from tfvision.models.backbones.table import BACKBONES
from tfvision.models.weight_folders import weight_folders
from tfvision.system.cache import cache_folder, own_cache
from tfvision.system.terminal import size_text
from tfvision.training.config import TrainConfig

_HDF5 = b"\x89HDF\r\n\x1a\n"  # how every .h5 file begins
_WHOLE = 0.9  # share of the bytes of its float32 parameters that an intact file has at least
_SHOWN = 6


def check_weights() -> tuple[list[HealthCheck], dict[str, list[str]]]:
    """Look for ImageNet weights where a training looks for them.

    Returns:
        A line for each folder, and one for each file that is cut short; and the backbones served, by folder.
    """
    checks, served = [], {}
    for folder in weight_folders():
        if not folder.is_dir():
            if str(folder) == os.environ.get("TFVISION_WEIGHTS"):  # Keras makes its own at the first download
                says = f"{folder}, which TFVISION_WEIGHTS names, does not exist"
                checks.append(HealthCheck("weights", says, "note", "unset TFVISION_WEIGHTS"))
            continue
        found = {name: path for name in BACKBONES if (path := _weights_in(folder, name))}
        checks += _cut_short(found)
        names = [*found, *(f"hub/{path.parent.name}" for path in sorted(folder.glob("*/config.json")))]
        served[str(folder)] = names
        used = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
        checks.append(
            HealthCheck("weights", f"{folder}, {size_text(used)}: {listing(names, _SHOWN) or 'of no backbone'}")
        )
    default = _default_backbone()
    if not any(default in names for names in served.values()):
        size = size_text(BACKBONES[default].parameters * 4)
        says = f"those of {default}, the default, are not here: Keras downloads them, {size}, at the first training"
        checks.append(HealthCheck("weights", says, "note"))
    return checks, served


def check_caches() -> tuple[list[HealthCheck], dict[str, int]]:
    """Add up what is in the cache folder.

    Returns:
        One line, and the bytes of each folder in it.
    """
    folder = cache_folder()
    sizes = {each.name: _bytes_below(each) for each in sorted(folder.iterdir())} if folder.is_dir() else {}
    sizes = {name: size for name, size in sizes.items() if not name.startswith(".") and size}
    try:
        own_cache()
    except UsageError as error:
        return [HealthCheck("cache", str(error), "wrong", f"chmod go-w {shlex.quote(str(folder))}")], sizes
    told = ", ".join(f"{name} {size_text(size)}" for name, size in sizes.items())
    return [HealthCheck("cache", f"{folder}: {told or 'empty'}")], sizes


def _cut_short(found: dict[str, Path]) -> Iterator[HealthCheck]:
    """Find files that are no weights: what is left of a download that was interrupted."""
    for name, path in found.items():
        least = BACKBONES[name].parameters * 4 * _WHOLE
        with open(path, "rb") as file:
            whole = file.read(len(_HDF5)) == _HDF5
        if not whole or path.stat().st_size < least:
            says = f"{path} is cut short: {size_text(path.stat().st_size)}, at least {size_text(int(least))} expected for {name}"
            state: State = "wrong" if name == _default_backbone() else "note"
            yield HealthCheck("weights", says, state, f"rm {shlex.quote(str(path))}")


def _default_backbone() -> str:
    return next(str(item.default) for key, _, item in leaves(TrainConfig) if key == "backbone")


def _weights_in(folder: Path, backbone: str) -> Path | None:
    return next((path for name in BACKBONES[backbone].weights if (path := folder / name).is_file()), None)


def _bytes_below(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(os.lstat(os.path.join(place, name)).st_size for place, _, names in os.walk(path) for name in names)


def stored_facts(served: dict[str, list[str]], sizes: dict[str, int]) -> dict[str, Any]:
    """Return what was found as plain values."""
    return {"weights": served, "cache": {"folder": str(cache_folder()), "bytes": sizes}}
