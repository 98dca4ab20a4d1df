"""ATTACKS: every attack once, with what it knows of a model and where it was published."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfvision.errors import UsageError, nearest, worded
from tfvision.robustness.attacks.effort import Craft, Effort

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class Attack:
    """One row.

    Attributes:
        title: Its name in tables and curves.
        paper: Who described it.
        sees: `gradients`, `answers` (logits only) or `nothing`.
        bind: Takes logits, norm and effort, and returns a function of images, labels, epsilon and seed, of TensorFlow
            operations only; None where images are not changed one by one within a budget.
        budget: Whether it has a budget epsilon.
    """

    title: str
    paper: str
    sees: str
    bind: Callable[[Any, str, Effort], Craft] | None = None
    budget: bool = True


def parse_methods(text: str) -> list[str]:
    """Parse a list of attacks.

    Args:
        text: Names separated by commas, or `all` for those that need one run only.

    Returns:
        The names, without repetitions.

    Raises:
        UsageError: A name is unknown, or there is none.
    """
    chosen = ALL if text == "all" else text.split(",")
    names = list(dict.fromkeys(name.strip().lower() for name in chosen))
    for name in names:
        if name not in METHODS:
            raise UsageError(
                f"unknown attack {worded(name)}{nearest(name, METHODS)}; expected all, or some of {','.join(METHODS)}"
            )
    return names


def _fgsm(logits: Any, norm: str, effort: Effort) -> Craft:
    from tfvision.robustness.attacks.descent import fast_gradient_sign

    return lambda images, labels, epsilon, seed: fast_gradient_sign(logits, images, labels, epsilon, norm=norm)


def _pgd(logits: Any, norm: str, effort: Effort) -> Craft:
    from tfvision.robustness.attacks.descent import projected_gradient

    options: dict[str, Any] = {"norm": norm, "steps": effort.steps, "restarts": effort.restarts}
    return lambda *batch: projected_gradient(logits, *batch, **options)


def _transfer(logits: Any, norm: str, effort: Effort) -> Craft:
    """PGD that goes on after its own model is wrong: what lies just beyond its border misleads no other."""
    from tfvision.robustness.attacks.descent import projected_gradient

    return lambda *batch: projected_gradient(logits, *batch, norm=norm, steps=effort.steps, early_stop=False)


def _apgd(*losses: str) -> Callable[[Any, str, Effort], Craft]:
    def bind(logits: Any, norm: str, effort: Effort) -> Craft:
        from tfvision.robustness.attacks import losses as known
        from tfvision.robustness.attacks.autopgd import auto_pgd

        options: dict[str, Any] = {"norm": norm, "steps": effort.steps, "restarts": effort.restarts}
        return lambda *batch: auto_pgd(logits, *batch, **options, losses=tuple(getattr(known, name) for name in losses))

    return bind


def _carlini(logits: Any, norm: str, effort: Effort) -> Craft:
    from tfvision.robustness.attacks.carlini import carlini_wagner

    options = {"steps": effort.cw_steps, "rounds": effort.cw_rounds}
    return lambda images, labels, epsilon, seed: carlini_wagner(logits, images, labels, **options)


def _square(logits: Any, norm: str, effort: Effort) -> Craft:
    from tfvision.robustness.attacks.square import square_attack

    return lambda *batch: square_attack(logits, *batch, norm=norm, queries=effort.queries)


def _random(logits: Any, norm: str, effort: Effort) -> Craft:
    from tfvision.robustness.attacks.noise import random_change

    def craft(images: "tf.Tensor", labels: "tf.Tensor", epsilon: "tf.Tensor", seed: "tf.Tensor") -> Any:
        return random_change(images, epsilon, seed, norm=norm)

    return craft


ATTACKS: dict[str, Attack] = {
    "fgsm": Attack("FGSM", "Goodfellow, Shlens, Szegedy, ICLR 2015", "gradients", _fgsm),
    "pgd": Attack("PGD", "Madry et al., ICLR 2018", "gradients", _pgd),
    "apgd": Attack("AutoPGD", "Croce, Hein, ICML 2020: CE, then DLR", "gradients", _apgd("log_odds", "logits_ratio")),
    "apgd-ce": Attack("AutoPGD-CE", "Croce, Hein, ICML 2020", "gradients", _apgd("log_odds")),
    "apgd-dlr": Attack("AutoPGD-DLR", "Croce, Hein, ICML 2020", "gradients", _apgd("logits_ratio")),
    "cw": Attack("Carlini-Wagner L2", "Carlini, Wagner, S&P 2017", "gradients", _carlini, budget=False),
    "patch": Attack("patch", "Brown et al., 2017; Athalye et al., ICML 2018", "gradients", budget=False),
    "square": Attack("Square", "Andriushchenko et al., ECCV 2020", "answers", _square),
    "transfer": Attack("transfer", "Papernot et al., 2016", "nothing", _transfer),
    "random": Attack("random change", "a control, no attack", "nothing", _random),
    "random-patch": Attack("random patch", "a control, no attack", "nothing", budget=False),
}
METHODS = tuple(name for name in ATTACKS if name != "random-patch")  # which comes with the patch
ALL = ("fgsm", "pgd", "apgd", "cw", "patch", "square", "random")
