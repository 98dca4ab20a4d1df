"""Options of training: its phases, pseudo-labels, and shallow classifiers."""

from dataclasses import dataclass
from typing import Literal

from tfvision.config.options import check_bounds, option
from tfvision.errors import UsageError, worded

AUTO = "auto"  # a learning rate that is found by a sweep


@dataclass
class ShallowOptions:
    """The shallow classifiers on frozen features (option classifier).

    Raises:
        UsageError: A value out of range.
    """

    pca: int | None = option(
        None, "keep so many principal components of the standardized features; null for all", at_least=1
    )
    c: float | None = option(
        None,
        "inverse strength of the penalty (logistic_regression, linear_svm, svm); null: chosen on validation",
        above=0,
    )
    gamma: float | None = option(
        None, "width of svm's kernel exp(-gamma d^2); null: 1 / (features x their variance)", above=0
    )
    neighbours: int | None = option(None, "neighbours that vote (knn); null: chosen on validation", at_least=1)
    trees: int = option(100, "trees of random_forest", at_least=1)
    depth: int | None = option(None, "largest depth of a tree; null: 6 for xgboost, none for random_forest", at_least=1)
    rounds: int = option(
        300, "most rounds of xgboost, one tree a class each; validation stops them earlier", at_least=1
    )
    rate: float = option(0.2, "learning rate of xgboost", above=0, at_most=1)
    columns: float = option(0.2, "share of the features that each tree of xgboost sees", above=0, at_most=1)
    patience: int = option(10, "stop xgboost after so many rounds without a lower validation log loss", at_least=1)

    def __post_init__(self) -> None:
        check_bounds(self, "shallow")


@dataclass
class Phase:
    """A stretch of training with one set of open layers and one learning rate schedule."""

    name: str = option("train", "its name in plan, history and plots")
    solver: Literal["gradient", "logistic_regression"] = option(
        "gradient", "train by epochs, or fit a linear head on frozen features in one pass"
    )
    epochs: int = option(10, "number of epochs", at_least=1)
    learning_rate: float | Literal["auto"] | None = option(
        1e-3,
        "learning rate at its highest; null: what suits the backbone and the batch size; auto: found before training, see "
        "`tfvision lr-find`",
        above=0,
        word=AUTO,
    )
    schedule: Literal["constant", "cosine", "step", "exponential", "plateau"] = option(
        "constant", "course of the learning rate"
    )
    warmup: float = option(0.0, "epochs of linear warm-up before a cosine schedule", at_least=0)
    hold: int = option(3, "step schedule: epochs at the full learning rate", at_least=0)
    every: int = option(1, "step schedule: epochs between two drops after the hold", at_least=1)
    factor: float = option(
        0.4, "factor of a step, of each epoch (exponential), or when nothing gets better (plateau)", above=0, at_most=1
    )
    plateau_patience: int = option(
        3, "plateau schedule: epochs without a better validation score before the factor", at_least=1
    )
    unfreeze: str = option(
        "all", "open layers of the backbone: none, all, a count (15), a share (30%) or names (block4,block5)"
    )
    patience: int | None = option(
        None, "stop after so many epochs without a better validation score; null for never", at_least=1
    )
    views: str | None = option(
        None,
        "which augmented views of an image epochs show: fresh, endless; exact, all that flips and turns can make; or a "
        "number of fixed ones; of a frozen part the last two are computed once; default by a rule",
    )
    pseudo_labels: bool = option(False, "label the unlabelled images first, see pseudo, and train on the sure ones too")
    restart: bool = option(False, "begin from the initial weights, not from the best ones so far")

    def __post_init__(self) -> None:
        check_bounds(self, "phase")
        check_views(self.views, "views")


@dataclass(frozen=True)
class RateRangeOptions:
    """How learning rates are tried.

    Raises:
        UsageError: A value out of range, or a range that is empty.
    """

    lowest: float = option(1e-6, "learning rate of the first step", above=0)
    highest: float = option(10.0, "learning rate of the last step, unless the loss diverges before", above=0)
    steps: int = option(100, "steps of a sweep, one batch each", at_least=20)

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.highest < 10 * self.lowest:
            raise UsageError(
                f"highest: expected ten times the lowest rate or more, got {self.highest:g} with lowest {self.lowest:g}"
            )


def check_views(views: str | None, where: str) -> None:
    """Refuse what is neither `fresh`, `exact` nor a number of views.

    Args:
        views: What was given; None leaves the choice to a rule.
        where: The option, for the message.

    Raises:
        UsageError: With what was expected.
    """
    if views not in (None, "fresh", "exact") and not (views.isdecimal() and int(views) >= 1):
        raise UsageError(f"{where}: expected fresh, exact or a number of views, 1 or more, got {worded(views)}")


@dataclass
class PseudoLabelOptions:
    """Images without labels, for phases with pseudo_labels.

    Raises:
        UsageError: A value out of range, or a choice of images where all of them are added.
    """

    data: str | None = option(None, "images without labels: a folder, .zip, .npy, ...")
    file_column: str | None = option(
        None, "array or CSV column of the images without labels; without pseudo.data it is one of the data itself"
    )
    labels: int | None = option(
        None,
        "use so many labels of training and validation only; the other training images count as unlabelled",
        at_least=1,
    )
    soft: bool = option(
        False,
        "add all images, each with the model's probabilities of the classes as its label; without, the sure ones with "
        "their most probable class",
    )
    thresholds: list[float] | None = option(
        None, "probability from which on an image is kept for each class; default by precision", between=(0, 1)
    )
    precision: float = option(0.95, "precision that thresholds are chosen for", above=0, below=1)
    most: int | None = option(None, "at most so many images a class and phase, the surest", at_least=1)
    keep_shares: bool = option(
        True, "add the classes in the shares that they have among the labels, else all that reach"
    )

    def __post_init__(self) -> None:
        check_bounds(self, "pseudo")
        for name in ("thresholds", "most"):
            if self.soft and getattr(self, name) is not None:
                raise UsageError(
                    f"pseudo.{name} chooses images, and pseudo.soft adds all of them; leave one of them out"
                )

    def source(self, data: str) -> str | None:
        """Return where the given images without labels are, for a run on `data`; None where none are given."""
        return self.data or (data if self.file_column else None)
