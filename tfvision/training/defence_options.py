"""Options of training with defences: what is done to the pixels of each step, and whose probabilities are learned."""

from dataclasses import dataclass, fields
from typing import Literal

from tfvision.config.options import check_bounds, option
from tfvision.errors import UsageError

_WHITE = 255.0
# What each way of changing pixels takes; another option that is set would be ignored.
_TAKES: dict[str, tuple[str, ...]] = {
    "none": (),
    "pgd": ("epsilon", "norm", "steps", "step_size"),
    "fast": ("epsilon", "norm", "step_size"),
    "trades": ("epsilon", "norm", "steps", "step_size", "beta"),
    "noise": ("sigma",),
}


@dataclass
class AdversarialOptions:
    """How the pixels of training images are changed against the model, or at random, in each step.

    Raises:
        UsageError: A value out of range.
    """

    attack: Literal["none", "pgd", "fast", "trades", "noise"] = option(
        "none",
        "how the pixels of each step are changed: pgd (Madry et al., 2018), fast (Wong et al., 2020), trades (Zhang et "
        "al., 2019), or noise, for randomized smoothing (Cohen et al., 2019)",
    )
    epsilon: float = option(2.0, "largest change in pixel units: of each pixel, or of the image's l2 norm", at_least=0)
    norm: Literal["linf", "l2"] = option("linf", "what epsilon bounds: each pixel (linf), or the length of the change")
    steps: int = option(7, "steps of pgd and trades", between=(1, 1000))
    step_size: float | None = option(
        None, "length of a step in pixel units; null: 2.5 epsilon / steps, of fast 1.25 epsilon", above=0
    )
    beta: float = option(6.0, "trades: weight of the divergence between clean and changed images", at_least=0)
    sigma: float = option(12.75, "noise: standard deviation in pixel units; 12.75 is 0.05 of the range", at_least=0)

    def __post_init__(self) -> None:
        check_bounds(self, "adversarial")
        if self.norm == "linf" and self.epsilon > _WHITE:
            raise UsageError(f"adversarial.epsilon: expected 0 to 255 with norm linf, got {self.epsilon:g}")

    def refuse_ignored(self) -> None:
        """Refuse an option that is set and that the attack does not take.

        Raises:
            UsageError: With the attacks that take it.
        """
        takes = ("attack", *_TAKES[self.attack])
        for item in fields(self):
            if item.name not in takes and getattr(self, item.name) != item.default:
                known = ", ".join(attack for attack, names in _TAKES.items() if item.name in names)
                raise UsageError(
                    f"adversarial.{item.name}: means nothing with adversarial.attack {self.attack}; it belongs to {known}"
                )

    @property
    def changes_pixels(self) -> bool:
        """Whether every step sees pixels of its own, so that nothing computed from pixels can be kept."""
        return self.attack != "none"

    @property
    def step(self) -> float:
        """Length of a step in pixel units."""
        if self.step_size is not None:
            return self.step_size
        # The whole epsilon and a quarter more: twice epsilon ends in catastrophic overfitting (Wong et al., 2020).
        return 1.25 * self.epsilon if self.attack == "fast" else 2.5 * self.epsilon / self.steps


@dataclass
class DistillOptions:
    """Defensive distillation (Papernot et al., 2016): a student learns the softened probabilities of a teacher."""

    teacher: str | None = option(None, "the run, or its model.keras, whose softened probabilities are learned")
    temperature: float | None = option(
        None,
        "temperature of the softmax in training; the model is used at 1; null: 20 with a teacher, else 1. Without a "
        "teacher the labels are learned at it, as a teacher is trained",
        between=(1, 1000),
    )

    def __post_init__(self) -> None:
        check_bounds(self, "distill")

    @property
    def at(self) -> float | None:
        """The temperature in training; None for an ordinary training."""
        return 20.0 if self.temperature is None and self.teacher else self.temperature
