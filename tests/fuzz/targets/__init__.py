"""All targets of fuzzing, by name."""

from targets import containers, labels, models, pixels, runs
from targets.target import Target, finding

__all__ = ["TARGETS", "Target", "finding"]

TARGETS: dict[str, Target] = {
    name: target for module in (pixels, labels, containers, models, runs) for name, target in module.TARGETS.items()
}
