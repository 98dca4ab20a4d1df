"""What a run was made with: versions, machine, date, command."""

import importlib.metadata
import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tfvision.version import __version__

_PACKAGES = ("tensorflow", "keras", "numpy", "opencv-python", "opencv-python-headless", "scikit-learn")


def describe_environment() -> dict[str, Any]:
    """Return versions, hardware, date (UTC) and command line of this process, as plain values for JSON."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": " ".join(["tfvision", *map(shlex.quote, sys.argv[1:])]) if _from_command_line() else "from Python",
        "versions": {
            "tfvision": __version__,
            "python": platform.python_version(),
            **{name: version for name in _PACKAGES if (version := _version(name))},
        },
        "hardware": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gib": _memory_gib(),
            "system": platform.system(),
        },
    }


def _from_command_line() -> bool:
    return Path(sys.argv[0]).stem in ("tfvision", "__main__")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _memory_gib() -> int | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    except (ValueError, OSError, AttributeError):
        return None
