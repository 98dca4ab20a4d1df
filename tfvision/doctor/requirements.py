"""Python and packages: what is installed, against the ranges that tfvision states and the versions it was tested with."""

import configparser
import importlib.metadata
import platform
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tfvision.doctor.diagnosis import HealthCheck
from tfvision.version import __version__

# The newest that the tests passed with; what is newer may work.
TESTED = {"python": "3.13", "tensorflow": "2.21", "keras": "3.15", "numpy": "2.4", "opencv-python": "5.0"}
# Packages that have the same modules as one that is required.
_SAME_MODULES = {
    "tensorflow": ("tensorflow-cpu", "tf-nightly"),
    "opencv-python": ("opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless"),
    "xgboost-cpu": ("xgboost",),
}
# Required for a part only, which is all that stops without it.
_FOR_A_PART = {
    "keras-cv": "--augment.engine keras_cv",
    "keras-tuner": "search",
    "tensorboard": "search and --track tensorboard",
    "defusedxml": "PASCAL VOC boxes",
    "argcomplete": "completion",
}
_FOR_DEVELOPERS = ("dev", "docs", "fuzz", "test")


@dataclass(frozen=True)
class Requirements:
    """What an installation of tfvision needs.

    Attributes:
        python: The range of Python.
        packages: What is always needed.
        extras: What each extra brings, by its name.
    """

    python: SpecifierSet
    packages: tuple[Requirement, ...]
    extras: Mapping[str, tuple[Requirement, ...]]


@cache
def stated_requirements() -> Requirements:
    """Read what tfvision needs: from the checkout's setup.cfg, else from the metadata of the installed package."""
    parser = configparser.ConfigParser()
    parser.read(Path(__file__).parents[2] / "setup.cfg", encoding="utf-8")
    if parser.get("metadata", "name", fallback="") == "tfvision":
        options, extras = parser["options"], parser["options.extras_require"]
        return Requirements(
            SpecifierSet(options["python_requires"]),
            _parsed(options["install_requires"].split("\n")),
            {name: _parsed(text.split("\n")) for name, text in extras.items() if name not in _FOR_DEVELOPERS},
        )
    metadata = importlib.metadata.metadata("tfvision")
    lines = metadata.get_all("Requires-Dist") or []
    names = [name for name in metadata.get_all("Provides-Extra") or [] if name not in _FOR_DEVELOPERS]
    return Requirements(
        SpecifierSet(metadata["Requires-Python"] or ""),
        tuple(each for each in _parsed(lines) if _holds(each, "")),
        {name: tuple(each for each in _parsed(lines) if _of_extra(each, name)) for name in names},
    )


def check_requirements() -> list[HealthCheck]:
    """Compare Python and the packages with the ranges that tfvision states.

    Returns:
        Python, the packages that are as they should be in one line, each one that is not, and the extras.
    """
    needed = stated_requirements()
    checks = [_check_python(needed.python)]
    faults = [fault for each in needed.packages if (fault := _fault_of(each))]
    told = [
        f"{name} {version}"
        for name in ("tensorflow", "keras", "numpy", "opencv-python")
        if (version := found_version(name))
    ]
    fine = len(needed.packages) - len(faults)
    checks.append(HealthCheck("packages", f"{fine} of {len(needed.packages)} are in range; {', '.join(told)}"))
    checks += faults
    checks += _newer_than_tested()
    if len(twice := [name for name in ("opencv-python", *_SAME_MODULES["opencv-python"]) if _version_of(name)]) > 1:
        says = f"{' and '.join(twice)} write into the same folder cv2; to remove or update one breaks the other"
        checks.append(HealthCheck("packages", says, "note", f"{_pip('uninstall')} {' '.join(twice[1:])}"))
    return [*checks, *_check_extras(needed.extras)]


def found_version(package: str) -> str | None:
    """Return the version of an installed package, or of one that has the same modules.

    Args:
        package: Its name in the package index.

    Returns:
        The version; None if there is none.
    """
    return next((found for name in (package, *_SAME_MODULES.get(package, ())) if (found := _version_of(name))), None)


def install_command(*requirements: str, again: bool = False) -> str:
    """Return the command that installs packages into the Python that runs this.

    Args:
        *requirements: Names with their ranges.
        again: Whether to replace files that are there.

    Returns:
        A line for the shell.
    """
    return f"{_pip('install')} {'--force-reinstall ' if again else ''}{' '.join(map(shlex.quote, requirements))}"


def with_range(package: str) -> str:
    """Return the name of a required package with its range."""
    return next(str(each) for each in stated_requirements().packages if each.name == package)


def _pip(verb: str) -> str:
    return f"{shlex.quote(sys.executable)} -m pip {verb}"


def _check_python(range_: SpecifierSet) -> HealthCheck:
    version = platform.python_version()
    says = f"{version} at {sys.executable}; tfvision {__version__} needs {range_}, tested up to {TESTED['python']}"
    if not range_.contains(version, prereleases=True):
        return HealthCheck("python", says, "wrong", "python3.11 -m venv .venv && .venv/bin/pip install tfvision")
    return HealthCheck("python", says)


def _fault_of(needed: Requirement) -> HealthCheck | None:
    """Return what is wrong with an installed package, or None."""
    version = found_version(needed.name)
    if version and needed.specifier.contains(version, prereleases=True):
        return None
    part = _FOR_A_PART.get(needed.name)
    what = f"{needed.name} {version} is installed" if version else f"{needed.name} is not installed"
    says = f"{what}, {needed.specifier} is needed{f' for {part}' if part else ''}"
    return HealthCheck("packages", says, "note" if part else "wrong", install_command(str(needed)))


def _newer_than_tested() -> Iterator[HealthCheck]:
    found = {name: found_version(name) for name in TESTED if name != "python"} | {"python": platform.python_version()}
    newer = [
        f"{name} {found[name]} ({tested})"
        for name, tested in TESTED.items()
        if (version := found[name]) and Version(version).release[:2] > Version(tested).release
    ]
    if newer:
        yield HealthCheck("packages", f"newer than tfvision was tested with: {', '.join(newer)}", "note")


def _check_extras(extras: Mapping[str, Sequence[Requirement]]) -> Iterator[HealthCheck]:
    """Tell which extras are installed; those that are not are no fault, those in half are worth a note."""
    there, missing = [], []
    for name, packages in extras.items():
        faults = [each for each in packages if _fault_of(each)]
        if not faults:
            there.append(name)
        elif len(faults) == len(packages) and not any(found_version(each.name) for each in packages):
            missing.append(name)
        else:
            says = f"{name} is installed in part or too old: {', '.join(map(str, faults))} is needed"
            yield HealthCheck("extras", says, "note", install_command(*map(str, faults)))
    if there:
        yield HealthCheck("extras", f"installed: {', '.join(there)}")
    if missing:
        yield HealthCheck(
            "extras", f"not installed: {', '.join(missing)}", "ok", install_command(f"tfvision[{','.join(missing)}]")
        )


def _version_of(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _parsed(lines: Sequence[str]) -> tuple[Requirement, ...]:
    return tuple(Requirement(line) for line in map(str.strip, lines) if line and not line.startswith("#"))


def _holds(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _of_extra(requirement: Requirement, extra: str) -> bool:
    return not _holds(requirement, "") and _holds(requirement, extra)
