"""The front matter of a model card: what a hub reads of it, as Hugging Face specifies it."""

from typing import Any

from tfvision.config.yaml import dump_yaml
from tfvision.evaluation.score_names import SCORES
from tfvision.models.backbones.families import HUB
from tfvision.report.box_story import class_metrics
from tfvision.report.card.data import data_name
from tfvision.report.card.limits import asked_task
from tfvision.report.folder import RunFiles
from tfvision.tasks import has_boxes

# A score to the id of the metric on the hub; what has none there keeps our name.
_CLASSES = {
    "accuracy": "accuracy",
    "f1": "f1",
    "f1_macro": "f1",
    "precision": "precision",
    "recall": "recall",
    "roc_auc": "roc_auc",
}
_BOXES = {"mean_iou": "mean_iou", "share_50": "iou_50"}
_HUGGING_FACE = "hf://"


def front_matter(files: RunFiles, part: str, *, name: str, licence: str) -> str:
    """Return the front matter.

    Args:
        files: The files of the run.
        part: The part that it is judged by, whose scores are given.
        name: What the model is called.
        licence: Identifier of the licence of the model, such as `apache-2.0`; "" if none was stated.

    Returns:
        YAML between two lines of dashes.
    """
    boxes, backbone = has_boxes(asked_task(files)), str(files.config.get("backbone") or "")
    kind = "object-detection" if boxes else "image-classification"
    tags = ["tfvision", "keras", "tensorflow", kind, *([_tag(backbone)] if backbone else [])]
    values: dict[str, Any] = {"library_name": "tfvision" if files.ensemble else "keras", "pipeline_tag": kind}
    if licence:
        values["license"] = licence
    if base := _base_model(backbone, str(files.config.get("weights"))):
        values["base_model"] = base
    results = _results(files, part)
    values["tags"] = list(dict.fromkeys(tags))
    values["metrics"] = list(dict.fromkeys(each["type"] for result in results for each in result["metrics"]))
    values["model-index"] = [{"name": name, "results": results}]
    return f"---\n{dump_yaml(values)}---"


def _tag(backbone: str) -> str:
    return backbone.removeprefix(HUB).rpartition("/")[2].lower()


def _base_model(backbone: str, weights: str) -> str:
    """Return the repository of a hub that the weights came from; nothing where they came from elsewhere."""
    address = backbone.removeprefix(HUB)
    return address.removeprefix(_HUGGING_FACE) if address.startswith(_HUGGING_FACE) and weights == "imagenet" else ""


def _results(files: RunFiles, part: str) -> list[dict[str, Any]]:
    name = data_name(files)
    # `imagefolder` stands for images of one's own: the hub asks for the id of a data set, and there is none.
    dataset = {"name": name, "type": "imagefolder", "split": part}
    found = []
    if metrics := _metrics(files.metrics[part], _BOXES):
        task = {"type": "object-detection", "name": "One box in each image"}
        found.append({"task": task, "dataset": dict(dataset), "metrics": metrics})
    if metrics := _metrics(class_metrics(files.metrics).get(part) or {}, _CLASSES):
        task = {"type": "image-classification", "name": "Image classification"}
        found.append({"task": task, "dataset": dict(dataset), "metrics": metrics})
    return found


def _metrics(scores: dict[str, Any], wanted: dict[str, str]) -> list[dict[str, Any]]:
    positive = scores.get("positive_class") or ""
    return [
        {"type": kind, "name": SCORES[name].title(positive), "value": round(float(scores[name]), 6)}
        for name, kind in wanted.items()
        if scores.get(name) is not None
    ]
