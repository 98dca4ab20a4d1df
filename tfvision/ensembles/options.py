"""Options of an ensemble."""

from dataclasses import dataclass
from typing import Literal

from tfvision.config.options import check_bounds, option

CHOOSE = "choose"
MEMBERS, COMBINING = "members", "ensemble"  # keys of a file that describes one
Method = Literal["choose", "best", "vote", "mean", "geometric", "weighted", "weighted_accuracy", "greedy", "stack"]
ObjectiveName = Literal["accuracy", "f1_macro", "log_loss"]


@dataclass
class EnsembleOptions:
    """How members are combined."""

    method: Method = option(
        "choose",
        "the rule: choose (by cross-validation inside the validation part, the best member among the candidates), best "
        "(the best member alone), vote, mean, geometric, weighted (weights for log loss), weighted_accuracy, greedy, stack",
    )
    objective: ObjectiveName = option("accuracy", "what the rule is chosen for, and what greedy selection maximizes")
    seed: int = option(0, "seed of the folds in which rules are compared", at_least=0)

    def __post_init__(self) -> None:
        check_bounds(self, "ensemble")
