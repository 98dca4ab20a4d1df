"""A run in a notebook: its card, its mistakes, its curves, and what it says about a photo."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from tfvision.config.options import from_dict
from tfvision.data.images.imageset import ImageSet, LabelledImage
from tfvision.data.options import Source
from tfvision.data.sources.arrays.arrays import images_from_arrays
from tfvision.data.sources.python import Held
from tfvision.errors import UsageError
from tfvision.evaluation.box_predictions import BoxPredictions
from tfvision.evaluation.predictions import Predictions
from tfvision.explain.explain import explain_images
from tfvision.explain.options import ExplainOptions
from tfvision.notebook.cards import Card, bars, folded, gallery, heading, in_card, line, plot, table
from tfvision.plots.box_drawing import with_box
from tfvision.prediction.answers import predict_boxes, predict_images
from tfvision.prediction.images import read_given_images
from tfvision.prediction.predictors import KerasPredictor, Predictor
from tfvision.prediction.stored import StoredModel, find_model
from tfvision.report.advice import advise
from tfvision.report.box_story import class_metrics, tell_run
from tfvision.report.captions import captions
from tfvision.report.decision import decision_section
from tfvision.report.folder import RunFiles, read_run_files
from tfvision.report.pictures import image_of
from tfvision.report.tables import score_table
from tfvision.runs.folder import Run
from tfvision.runs.names import CARD, CONFUSION_MATRIX, IOU_HISTOGRAM, LEARNING_CURVES, REPORT, WORST_BOXES
from tfvision.tasks import has_boxes

_MISTAKES, _PHOTOS = 6, 12


@dataclass(frozen=True, repr=False)
class PhotoAnswers(Card):
    """What a run says about images: a notebook shows each with the most likely classes.

    Attributes:
        predictions: The predictions themselves.
    """

    predictions: Predictions | BoxPredictions


def card_of_run(run: Run) -> str:
    """Return what a notebook shows of a run: score with interval, curves, confusion, worst mistakes, what to try next.

    Args:
        run: A run; whatever is missing in its folder is left out.

    Returns:
        HTML.
    """
    files = read_run_files(run.folder)
    story, of_classes = tell_run(files.metrics), class_metrics(files.metrics)
    name = "ensemble" if run.is_ensemble else files.config.get("backbone", "run")
    html = [heading(f"{name} on {files.config.get('data', '')}")]
    html.append(f'<p><span class="big">{escape(story["figure"])}</span> {escape(story["headline"])}</p>')
    html += [line(remark, soft=True) for remark in story["remarks"]]
    html.append(_decision(files))
    html += [line(advice) for advice in advise(files)]
    html.append(_scores(of_classes))
    for name, what in ((CONFUSION_MATRIX, "confusion matrix"), (IOU_HISTOGRAM, "histogram of overlaps")):
        html.append(plot(files.plots.get(Path(name).stem, ""), what))
    if files.mistakes:
        html += [line("Worst mistakes:"), _mistakes(files, _MISTAKES)]
    html.append(_worst_boxes(files))
    html.append(plot(files.plots.get(Path(LEARNING_CURVES).stem, ""), "learning curves"))
    pages = [run.folder / name for name in (REPORT, CARD) if (run.folder / name).is_file()]
    if pages:
        links = [f'<a href="{escape(page.as_posix(), quote=True)}">{escape(str(page))}</a>' for page in pages]
        html.append(f'<p class="soft">More in {" and in ".join(links)}</p>')
    return in_card("".join(html))


def show_mistakes(run: Run, n: int) -> Card:
    """Return the worst mistakes of a run, see `Run.show_mistakes`."""
    files = read_run_files(run.folder)
    if worst := _worst_boxes(files):
        return Card(f"worst boxes of {run.folder}", worst)
    if not files.mistakes:
        return Card("no mistakes are stored", line("No mistakes are stored with this run."))
    return Card(f"{min(n, len(files.mistakes))} mistakes of {run.folder}", _mistakes(files, n))


def show_curves(run: Run) -> Card:
    """Return the learning curves of a run, see `Run.show_curves`."""
    files = read_run_files(run.folder)
    uri = files.plots.get(Path(LEARNING_CURVES).stem, "")
    if not uri:
        return Card("no curves", line("This run has no epochs, so no curves."))
    said = captions(None, files.history, str(files.config.get("monitor")))["learning_curves"]
    return Card(f"curves of {run.folder}", plot(uri, "learning curves") + line(said, soft=True))


def ask(
    run: Run,
    images: "str | Path | Held | ImageSet | LabelledImage",
    *,
    top: int,
    options: Mapping[str, Any],
    trust: bool = False,
) -> PhotoAnswers:
    """Return what a run says about images, see `Run.predict`."""
    stored = find_model(run.folder, trust=trust)
    predictor = _loaded(stored, stored.file.stat().st_mtime_ns)
    facts = predictor.facts
    if isinstance(images, LabelledImage):
        images = images_from_arrays(images.image[None], ids=[images.id])
    opened = read_given_images(images, facts, from_dict(Source, dict(options)), labelled=False)
    if has_boxes(facts.task):
        boxes = predict_boxes(predictor, opened)
        return PhotoAnswers("\n".join(boxes.lines(top)), _with_boxes(opened, boxes), boxes)
    found = predict_images(predictor, opened)
    return PhotoAnswers(
        "\n".join(found.lines(top)), _with_bars(opened, found, top, _looked(predictor, opened, found)), found
    )


@lru_cache(maxsize=1)
def _loaded(stored: StoredModel, _changed: int) -> Predictor:
    """Return the model of a run, kept for the next photo until the run changes."""
    return stored.load()


def _decision(files: RunFiles) -> str:
    """Return what was chosen after training, and what it changed; nothing for a run that answers as it was trained."""
    found = decision_section(files.decision)
    if found is None:
        return ""
    html = [heading("Chosen after training"), *(line(sentence) for sentence in found["sentences"])]
    for each in found["tables"][:1]:
        head = (f"{each['part']}, n={each['n']:,}", "as trained", "now", "difference [95 %]", "")
        html.append(table(head, each["rows"]))
    return "".join([*html, line("What follows, and the score above, are of the run as it was trained.", soft=True)])


def _worst_boxes(files: RunFiles) -> str:
    """Return the images with the least overlap of true and predicted box; nothing for a run without boxes."""
    return plot(files.plots.get(Path(WORST_BOXES).stem, ""), "the worst boxes")


def _scores(metrics: Mapping[str, Any]) -> str:
    found = score_table(dict(metrics))
    rows = [
        [row["name"], *(f"{value} ({interval})" if interval else value for value, interval in row["cells"])]
        for row in found["rows"]
    ]
    return folded(
        "all scores, with their 95 % intervals",
        table(["", *(f"{part}, n={count:,}" for part, count in found["parts"])], rows),
    )


def _mistakes(files: RunFiles, n: int) -> str:
    rows = files.mistakes[:n]
    texts = [f"{row['label']}, taken for {row['predicted']} ({float(row['probability']):.0%})" for row in rows]
    found = [
        (image, said)
        for row, text in zip(rows, texts, strict=True)
        for uri, said in ((row["uri"], text), (row["looked_uri"], "where it looked"))
        if uri and (image := image_of(uri)) is not None
    ]
    return gallery([image for image, _ in found], [text for _, text in found])


def _with_bars(images: ImageSet, found: Predictions, top: int, looked: Sequence[np.ndarray]) -> str:
    html = []
    for row in range(min(len(images), _PHOTOS)):
        best = found.best(row, top)
        shown = bars(best, [f"{share:.1%}" for share in best.values()], longest=1)
        pictures, texts = [images.read(row)], [images.ids[row]]
        if looked:
            pictures, texts = [*pictures, looked[row]], [*texts, "where it looked"]
        html.append(f'<div class="row">{gallery(pictures, texts)}<div>{shown}</div></div>')
    return "".join(html) + _more(images)


def _looked(predictor: Predictor, images: ImageSet, found: Predictions) -> list[np.ndarray]:
    """Return the first images with where the model looked; none for a model without feature maps."""
    if not isinstance(predictor, KerasPredictor):
        return []
    try:
        return explain_images(predictor, images[:_PHOTOS], ExplainOptions(), found).overlays()
    except UsageError:
        return []


def _with_boxes(images: ImageSet, found: BoxPredictions) -> str:
    drawn = [with_box(found, images, row)[..., ::-1] for row in range(min(len(images), _PHOTOS))]
    return gallery(drawn, list(images.ids[: len(drawn)])) + _more(images)


def _more(images: ImageSet) -> str:
    return line(f"and {len(images) - _PHOTOS:,} more", soft=True) if len(images) > _PHOTOS else ""
