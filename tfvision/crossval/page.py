"""The report of a cross-validation: backbones compared, and every fold."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvision.config.yaml import to_yaml
from tfvision.evaluation.box_predictions import read_box_predictions
from tfvision.evaluation.score_names import SCORES, goodness
from tfvision.evaluation.spread import score_of
from tfvision.experiment.box_pictures import plot_ious
from tfvision.models.backbones.table import plain_name
from tfvision.plots.classes import plot_confusion_matrix
from tfvision.report.pictures import embed_plot
from tfvision.report.template import page_template
from tfvision.runs.names import CONFUSION_MATRIX, IOU_HISTOGRAM, PLOTS, PREDICTIONS, REPORT, VOTES
from tfvision.system.environment import describe_environment
from tfvision.system.files import write_text
from tfvision.version import __version__

if TYPE_CHECKING:
    from tfvision.crossval.scores import FoldScores
    from tfvision.training.config import TrainConfig


def write_crossval_report(output: Path, found: "Sequence[FoldScores]", config: "TrainConfig") -> Path:
    """Write `report.html` and the pictures it shows into the folder of a cross-validation.

    Args:
        output: The folder.
        found: The scores of each backbone.
        config: The options of a fold.

    Returns:
        The path of the page. It links to the reports of the folds, and needs no network.
    """
    names, main = found[0].names, next(iter(found[0].names))
    folds, best = len(found[0].folds), max(found, key=lambda each: goodness(main, each.spread(main).mean))
    page = page_template("crossval.html", "crossval").render(
        title=f"Cross-validation on {Path(config.data).name}",
        figure=f"{best.spread(main).mean:.4f}",
        headline=f"is the {names[main]} of {best.backbone}, averaged over {folds} folds, ± {best.spread(main).std:.4f}.",
        remarks=_remarks(found, best),
        folds=folds,
        names=list(names.values()),
        backbones=[_backbone(output, each, several=len(found) > 1) for each in found],
        command=describe_environment().get("command") or "",
        config_text=to_yaml(config),
        folder=output.as_posix(),
        version=__version__,
    )
    write_text(output / REPORT, page)
    return output / REPORT


def _remarks(found: "Sequence[FoldScores]", best: "FoldScores") -> list[str]:
    remarks = [
        "Each image was the test of one fold: its prediction comes from the model that had not seen it.",
        "The deviation is over the folds, whose training images overlap: it is not a confidence interval of the score.",
    ]
    if baselines := best.together.get("baselines"):
        without = (f"{name.replace('_', ' ')} {scores['mean_iou']:.4f}" for name, scores in baselines.items())
        remarks.append(f"{SCORES['mean_iou'].title()} without a model: {', '.join(without)}.")
    if len(found) > 1:
        remarks.append(f"{best.backbone} was chosen among {len(found)} by these very scores: expect a little less.")
    return remarks


def _backbone(output: Path, found: "FoldScores", *, several: bool) -> dict[str, Any]:
    folder = Path(plain_name(found.backbone)) if several else Path()
    rows = [
        {"number": number, **_cells(found, scores), "report": (folder / f"fold_{number}" / REPORT).as_posix()}
        for number, scores in enumerate(found.folds, start=1)
    ]
    return {
        "name": found.backbone,
        "spread": [str(found.spread(score)) for score in found.names],
        "folds": rows,
        "together": _cells(found, found.together),
        "predictions": (folder / PREDICTIONS).as_posix(),
        "held_out": _held_out(found),
        "votes": (folder / VOTES).as_posix(),
        "pictures": _pictures(output / folder, found),
    }


def _held_out(found: "FoldScores") -> dict[str, Any] | None:
    """Return the rows for one model and for the votes on the images held out of all folds."""
    if not found.votes:
        return None
    alone = [str(found.spread_alone(score)) for score in found.names]
    rows = [("one model, mean ± deviation over the folds", alone)]
    rows += [(f"{kind} vote", _cells(found, scores)["scores"]) for kind, scores in found.votes.items()]
    return {"n": f"{next(iter(found.votes.values()))['n']:,}", "rows": rows}


def _cells(found: "FoldScores", scores: Mapping[str, Any]) -> dict[str, Any]:
    return {"n": f"{scores['n']:,}", "scores": [f"{score_of(scores, score):.4f}" for score in found.names]}


def _pictures(folder: Path, found: "FoldScores") -> list[dict[str, str]]:
    """Draw the overlaps and the confusion matrix of all folds together, whichever the task has."""
    pictures, plots = [], folder / PLOTS
    if "mean_iou" in found.together:
        plot_ious(plots, read_box_predictions(folder / PREDICTIONS).ious, found.together, "all folds")
        pictures.append(_picture(plots / IOU_HISTOGRAM, "Overlaps of boxes"))
    scores = found.together.get("classes", found.together)
    if "confusion_matrix" in scores:
        path, title = plots / CONFUSION_MATRIX, f"Confusion matrix of {found.backbone}, all folds"
        plot_confusion_matrix(np.array(scores["confusion_matrix"]), scores["class_names"], path, title)
        pictures.append(_picture(path, title))
    return pictures


def _picture(path: Path, text: str) -> dict[str, str]:
    return {"text": text, "uri": embed_plot(path)}
