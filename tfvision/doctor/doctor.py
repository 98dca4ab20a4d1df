"""What stands in the way of a training: Python, packages, devices, memory, disks, weights, settings."""

from tfvision.doctor.backend import start_tensorflow
from tfvision.doctor.diagnosis import Diagnosis
from tfvision.doctor.machine import check_gpus, check_machine
from tfvision.doctor.requirements import TESTED, check_requirements, found_version, stated_requirements
from tfvision.doctor.settings import check_settings
from tfvision.doctor.storage import check_caches, check_weights, stored_facts
from tfvision.errors import UsageError
from tfvision.system.environment import describe_environment
from tfvision.system.terminal import waiting


def doctor(*, timeout: float = 120.0) -> Diagnosis:
    """Look for what stands in the way of a training, and for the commands that mend it.

    Nothing is written or downloaded. TensorFlow is imported in a process of its own, so that one that hangs or crashes
    is a finding like any other.

    Args:
        timeout: Seconds after which TensorFlow counts as hanging.

    Returns:
        What was found; `.healthy` says whether a training can run, and a notebook shows all of it.

    Raises:
        UsageError: The timeout is not above 0.
    """
    if not timeout > 0:
        raise UsageError(f"timeout: expected more than 0 seconds, got {timeout:g}")
    started = start_tensorflow()  # it takes longest, so everything else is looked at meanwhile
    requirements, settings = check_requirements(), check_settings()
    machine, figures = check_machine()
    weights, served = check_weights()
    caches, sizes = check_caches()
    with waiting("asking TensorFlow"):
        found, tensorflow = started.wait(timeout)
    gpus, cards = check_gpus(found["gpus"] if found else None)
    needed = stated_requirements()
    facts = {
        **{key: describe_environment()[key] for key in ("date", "hardware")},
        "packages": {each.name: found_version(each.name) for each in needed.packages},
        "ranges": {"python": str(needed.python), **{each.name: str(each.specifier) for each in needed.packages}},
        "tested": TESTED,
        "tensorflow": found,
        "gpus": cards,
        **figures,
        **stored_facts(served, sizes),
    }
    return Diagnosis((*requirements, tensorflow, *settings, *machine, *gpus, *weights, *caches), facts)
