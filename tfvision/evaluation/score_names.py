"""The scores by name: what each is called, what it measures, which way is better, and where it is shown.

To add a score, add one row to `SCORES` and one formula: for classes in `evaluation/scores.py`, for boxes in
`score_overlaps` of `evaluation/box_metrics.py`. It then appears in metrics.json with its interval and in the report;
with `folds` also in cross-validations, with `compared` wherever two sets of predictions for the same images are
compared, and with `brief` in every short list of scores. No other place lists scores one by one.

`COLUMNS` lists what training measures after each epoch, under names of their own, since Keras computes these batch by
batch.
"""

from dataclasses import dataclass
from typing import Literal

_POSITIVE = " of {positive}"


@dataclass(frozen=True)
class Score:
    """A score of a finished model.

    Attributes:
        name: Its key in metrics.json and decision.json, and its column in CSV files.
        words: What it is called in running text; `{positive}` stands for the name of the positive class.
        hint: What it measures, in one line.
        of: What it is computed from: the decided `classes`; those of two classes, one of which is `positive`; the
            `costs` of the two kinds of mistake, if they are given; `probabilities`; `rankings`, which take the longest
            to resample; or `boxes`.
        lower_is_better: Whether lower values are better.
        brief: Whether it is one of the few scores shown where space is short: in comparisons of runs and of shallow
            classifiers, for test-time augmentation, pseudo-labels and corruptions. Such a score must also be
            `compared` and must exist for any number of classes.
        folds: Whether cross-validations show it.
        compared: Its place among the scores that are compared between two sets of predictions; None where it is not. A
            new one takes the next free number: costs, which are only sometimes there, stay last.
    """

    name: str
    words: str
    hint: str
    of: Literal["classes", "positive", "costs", "probabilities", "rankings", "boxes"]
    lower_is_better: bool = False
    brief: bool = False
    folds: bool = False
    compared: int | None = None

    def __post_init__(self) -> None:
        if self.brief and self.compared is None:
            raise ValueError(f"{self.name}: a brief score is compared too; give it the next place, compared=N")

    def label(self, positive: str = "") -> str:
        """Return what it is called in running text.

        Args:
            positive: Name of the positive class; if empty, the class is not mentioned.

        Returns:
            Such as `F1 of crater`, or `F1` without a class.
        """
        return self.words.format(positive=positive) if positive else self.words.removesuffix(_POSITIVE)

    def title(self, positive: str = "") -> str:
        """Return `label` as a row or column heading, with a capital letter."""
        label = self.label(positive)
        return label[0].upper() + label[1:]


# In the order in which tables show them.
_ROWS = (
    Score(
        "mean_cost",
        "mean cost per image",
        "its mistakes at the given costs",
        "costs",
        lower_is_better=True,
        compared=99,
    ),
    Score(
        "accuracy", "accuracy", "share of images classified correctly", "classes", brief=True, folds=True, compared=1
    ),
    Score("balanced_accuracy", "balanced accuracy", "mean recall: every class counts equally", "classes"),
    Score(
        "precision",
        "precision of {positive}",
        "share of the images given this class that belong to it",
        "positive",
        compared=4,
    ),
    Score("recall", "recall of {positive}", "share of the images of this class that are found", "positive", compared=5),
    Score("f1", "F1 of {positive}", "harmonic mean of precision and recall", "positive", compared=3),
    Score("precision_macro", "macro-precision", "every class counts equally", "classes", folds=True),
    Score("recall_macro", "macro-recall", "every class counts equally", "classes", folds=True),
    Score("f1_macro", "macro-F1", "every class counts equally", "classes", brief=True, folds=True, compared=2),
    Score("precision_weighted", "precision, weighted", "each class counts by its number of images", "classes"),
    Score("recall_weighted", "recall, weighted", "each class counts by its number of images", "classes"),
    Score("f1_weighted", "F1, weighted", "each class counts by its number of images", "classes"),
    Score("roc_auc", "ROC AUC", "chance that an image of the class ranks above one of another class", "rankings"),
    Score("average_precision", "average precision", "area under the precision-recall curve", "rankings"),
    Score(
        "log_loss",
        "log loss",
        "lower is better",
        "probabilities",
        lower_is_better=True,
        brief=True,
        folds=True,
        compared=6,
    ),
    Score("brier", "Brier score", "lower is better", "probabilities", lower_is_better=True, compared=7),
    Score(
        "expected_calibration_error",
        "calibration error",
        "lower is better; its interval is slightly too high",
        "probabilities",
        lower_is_better=True,
        compared=8,
    ),
    Score(
        "mean_iou", "mean IoU", "area shared by both boxes, divided by the area covered by either", "boxes", folds=True
    ),
    Score("median_iou", "median IoU", "half of the images are above it", "boxes", folds=True),
    Score("share_50", "IoU > 0.5", "share of boxes found, by the PASCAL VOC criterion", "boxes", folds=True),
    Score("share_75", "IoU > 0.75", "share of boxes found closely", "boxes", folds=True),
    Score("share_90", "IoU > 0.9", "share of boxes found almost exactly", "boxes"),
)
SCORES = {score.name: score for score in _ROWS}


@dataclass(frozen=True)
class Column:
    """What training measures after each epoch: a column of history.csv, and `val_<name>` on the validation images.

    Attributes:
        name: Name of the column.
        scores: Names of the same score of a finished model; if several, the first that metrics.json has. None for what
            is measured in training alone.
        of: The tasks that have it: those with `boxes`, those with `classes`, or `all`.
        monitored: Whether it may choose the best epoch, as `monitor`, and the best trial of a search.
    """

    name: str
    scores: tuple[str, ...]
    of: Literal["all", "boxes", "classes"]
    monitored: bool = True


# In the order in which epochs and curves show them. The loss that is minimized equals the log loss only for
# classifiers trained without label smoothing, focal loss or boxes, so a history calls it loss.
COLUMNS = {
    column.name: column
    for column in (
        Column("loss", ("log_loss",), "all"),
        Column("iou", ("mean_iou",), "boxes"),
        Column("iou_50", ("share_50",), "boxes", monitored=False),
        Column("accuracy", ("accuracy",), "classes"),
        Column("f1", ("f1", "f1_macro"), "classes"),
        Column("robust_accuracy", (), "classes"),
    )
}
MONITORS = tuple(f"val_{column.name}" for column in COLUMNS.values() if column.monitored)
LAST_EPOCH = "epoch"  # the monitor that is no score: of the numbers of the epochs the last is the highest


def class_scores() -> list[Score]:
    """Return the class scores, in the order of tables."""
    return [score for score in SCORES.values() if score.of != "boxes"]


def box_scores() -> list[Score]:
    """Return the box scores, in the order of tables."""
    return [score for score in SCORES.values() if score.of == "boxes"]


def brief_scores() -> list[Score]:
    """Return the few class scores that are shown where space is short."""
    return [score for score in SCORES.values() if score.brief]


def compared_scores() -> list[Score]:
    """Return the scores compared between two sets of predictions for the same images, in the order of their files."""
    compared = [score for score in SCORES.values() if score.compared is not None]
    return sorted(compared, key=lambda score: score.compared or 0)


def column_of(monitor: str) -> Column:
    """Return the column of history.csv that holds a monitored score such as `val_f1`."""
    return COLUMNS[monitor.removeprefix("val_")]


def column_words(name: str) -> str:
    """Return what a column of history.csv is called in running text, with or without `val_`."""
    bare = name.removeprefix("val_")
    if bare not in COLUMNS or not COLUMNS[bare].scores or _is_loss(bare):
        return bare.replace("_", " ")
    return SCORES[COLUMNS[bare].scores[0]].label()


def lower_is_better(name: str) -> bool:
    """Tell whether lower values of a score are better.

    Args:
        name: A key of `SCORES`, or a column of history.csv with or without `val_`.

    Returns:
        True for scores declared so and for every name that ends in `loss`; False for unknown names.
    """
    bare = name.removeprefix("val_")
    known = next(iter(COLUMNS[bare].scores), bare) if bare in COLUMNS else bare
    return _is_loss(bare) or (known in SCORES and SCORES[known].lower_is_better)


def direction(name: str) -> str:
    """Return `lower is better` or `higher is better`; see `lower_is_better`."""
    return f"{'lower' if lower_is_better(name) else 'higher'} is better"


def goodness(name: str, value: float) -> float:
    """Turn the value of a score into one for which higher is better.

    Args:
        name: The score, see `lower_is_better`.
        value: Its value.

    Returns:
        The value, negated if lower is better.
    """
    return -value if lower_is_better(name) else value


def _is_loss(column: str) -> bool:
    return column.endswith("loss")
