"""Options of `tfvision attack`."""

from dataclasses import dataclass
from typing import Literal

from tfvision.config.options import check_bounds, option
from tfvision.errors import UsageError, worded
from tfvision.robustness.attacks.effort import Effort


@dataclass
class AttackOptions(Effort):
    """How a run is attacked."""

    norm: Literal["linf", "l2"] = option(
        "linf", "norm of the budgets: the largest change of a value, or L2 of the image"
    )
    limit: int = option(512, "the most images to attack, drawn from the seed", at_least=2)
    seed: int = option(0, "seed of everything drawn", at_least=0)
    sanity: bool = option(True, "check whether the attack can be believed, with attacks on 64 images")

    def __post_init__(self) -> None:
        check_bounds(self)


def parse_budgets(text: str) -> list[float]:
    """Parse budgets.

    Args:
        text: Numbers separated by commas, in pixel units.

    Returns:
        The numbers, without repetitions, in ascending order.

    Raises:
        UsageError: One is no number above 0 and below infinity.
    """
    found = []
    for word in str(text).split(","):
        try:
            found.append(float(word))
        except ValueError:
            found.append(float("nan"))
        if not 0 < found[-1] < float("inf"):
            raise UsageError(
                f"epsilon {worded(word)}; expected numbers above 0 separated by commas, in pixel units 0..255"
            )
    return sorted(set(found))
