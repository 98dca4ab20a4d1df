"""The machine: processor, memory and disk that are free, and the GPU."""

import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from tfvision.doctor.diagnosis import HealthCheck
from tfvision.doctor.requirements import install_command, with_range
from tfvision.system.cache import cache_folder
from tfvision.system.environment import describe_environment
from tfvision.system.terminal import size_text

_LITTLE_MEMORY = 2e9  # TensorFlow alone takes half a gigabyte, and a batch of large images some of the rest
_LITTLE_DISK, _NO_DISK = 2e9, 1e8  # the features of 10,000 images take about 1 GB, a small run some megabytes
_GPU_FIELDS = ("name", "driver_version", "memory.free", "memory.total")


def check_machine() -> tuple[list[HealthCheck], dict[str, Any]]:
    """Look at processor, memory and disks.

    Returns:
        What was found, and the same as figures: cores that this process may use, bytes.
    """
    hardware = describe_environment()["hardware"]
    cores, memory = usable_cores(), available_memory()
    given = f", of {hardware['cores']} that the machine has" if cores != hardware["cores"] else ""
    checks = [
        HealthCheck("processor", f"{cores:g} {'core' if cores == 1 else 'cores'}{given}: {hardware['processor']}")
    ]
    if memory is not None:
        total = f" of {hardware['memory_gib']} GiB in the machine" if hardware["memory_gib"] else ""
        says = f"{memory / 2**30:.1f} GiB can be used{total}"
        little = memory < _LITTLE_MEMORY
        note = "; close other programs, or train with --batch-size 16 and a small --image-size" if little else ""
        checks.append(HealthCheck("memory", says + note, "note" if little else "ok"))
    elif hardware["memory_gib"]:
        checks.append(
            HealthCheck("memory", f"{hardware['memory_gib']} GiB in the machine; this system does not say what is free")
        )
    disks, free = _check_disks()
    return [*checks, *disks], {"cores": cores, "memory_available": memory, "disk_free": free}


def usable_cores() -> float:
    """Return how many cores this process may use: those it is bound to, or fewer by the quota of its container."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            return min(float(bound), round(int(quota) / int(period), 1))
    return float(bound)


def available_memory() -> int | None:
    """Return the bytes that can be used without swapping: of the machine, or of the container if that has less."""
    found = []
    with suppress(OSError, ValueError, KeyError):
        lines = (line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        found.append(int({name: text.split()[0] for name, text in lines}["MemAvailable"]) * 1024)
    with suppress(OSError, ValueError, KeyError):
        group = Path("/sys/fs/cgroup")
        most, used = (int((group / f"memory.{name}").read_text()) for name in ("max", "current"))
        kept = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        found.append(most - used + int(kept["inactive_file"]))  # files that were read make room when they must
    return min(found) if found else None


def check_gpus(seen: list[str] | None) -> tuple[list[HealthCheck], list[dict[str, Any]]]:
    """Compare the GPUs of the driver with those that TensorFlow sees.

    Args:
        seen: Names of the GPUs that TensorFlow sees; None if it could not be asked.

    Returns:
        What was found, and the driver's GPUs: name, driver, free and total memory in MiB.
    """
    cards = _driver_gpus()
    told = [f"{one['name']}, {one['memory.free']:,} of {one['memory.total']:,} MiB free" for one in cards]
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if seen:
        return [HealthCheck("gpu", "; ".join(told or seen) + f"; TensorFlow sees {len(seen)}")], cards
    if not cards:
        return [HealthCheck("gpu", "none here, training runs on the processor")], cards
    if seen is None:
        return [HealthCheck("gpu", "; ".join(told))], cards
    if hidden in ("", "-1"):
        says = f"{'; '.join(told)}, hidden from TensorFlow by CUDA_VISIBLE_DEVICES={hidden!r}"
        return [HealthCheck("gpu", says, "note", "unset CUDA_VISIBLE_DEVICES")], cards
    says = f"{'; '.join(told)}, but TensorFlow sees none: its CUDA libraries are missing or do not fit the driver"
    brings = with_range("tensorflow").replace("tensorflow", "tensorflow[and-cuda]", 1)
    return [HealthCheck("gpu", says, "note", install_command(brings))], cards


def _driver_gpus() -> list[dict[str, Any]]:
    """Ask the driver of NVIDIA; none without one, or if it does not answer."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, f"--query-gpu={','.join(_GPU_FIELDS)}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
        rows = [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines() if line.strip()]
        return [
            {
                name: int(cell) if name.startswith("memory") else cell
                for name, cell in zip(_GPU_FIELDS, row, strict=True)
            }
            for row in rows
        ]
    except (OSError, ValueError, subprocess.SubprocessError):
        return []


def _check_disks() -> tuple[list[HealthCheck], dict[str, int]]:
    """Look at the folder where runs are written, and at the cache."""
    here, cache = Path.cwd(), cache_folder()
    checks, free = [], {}
    for folder, what, way_out in (
        (here, "runs are written here", "cd ~"),
        (cache, "features of frozen layers", "export TFVISION_CACHE=/another/disk/tfvision"),
    ):
        left = shutil.disk_usage(_existing(folder)).free
        free[what] = left
        says = f"{size_text(left)} free in {folder} ({what})"
        if not _can_write(_existing(folder)):
            checks.append(HealthCheck("disk", f"{folder} cannot be written to ({what})", "wrong", way_out))
        elif left < _NO_DISK:
            checks.append(HealthCheck("disk", says, "wrong", way_out if folder == here else "tfvision cache clear"))
        else:
            little = left < _LITTLE_DISK
            remedy = "tfvision cache clear" if little and folder == cache and folder.is_dir() else ""
            checks.append(HealthCheck("disk", says, "note" if little else "ok", remedy))
    return checks, {"here": free["runs are written here"], "cache": free["features of frozen layers"]}


def _existing(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that exists."""
    return next((each for each in (folder, *folder.absolute().parents) if each.exists()), Path.cwd())


def _can_write(folder: Path) -> bool:
    """Try it: permissions alone do not tell of disks that are mounted read-only."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
