"""Scores of a model card: test and validation apart, each with its 95 % interval and its number of images."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfvision.evaluation.binomial import clopper_pearson_interval
from tfvision.evaluation.score_names import SCORES, Score, box_scores, class_scores
from tfvision.report.box_story import BASELINES, class_metrics
from tfvision.report.card.limits import chosen_on_validation
from tfvision.report.card.markdown import markdown_table, plain_text, section
from tfvision.report.folder import RunFiles

_LEFT_OUT = ("precision_weighted", "recall_weighted", "f1_weighted")  # told by the rows of the classes
_VALIDATION = ("accuracy", "f1", "f1_macro", "log_loss", "mean_iou", "share_50")
_MATRIX = 12  # classes whose confusion fits on a page
_CONFUSION = "plots/confusion_matrix.svg"


def score_sections(files: RunFiles, part: str) -> str:
    """Return the scores of a run.

    Args:
        files: Its files.
        part: The part that it is judged by.

    Returns:
        Markdown: the scores of the judged part and, under a heading of their own, those of validation.
    """
    metrics, pieces = files.metrics, [_about(files, part)]
    pieces.append(_scores(metrics[part], box_scores()))
    pieces += [_baselines(metrics[part]), _box_groups(metrics[part])]
    pieces += _class_pieces(files, class_metrics(metrics).get(part))
    told = [section("Scores on test images" if part == "test" else "Scores on validation images", *pieces)]
    if part == "test" and isinstance(metrics.get("validation"), dict):
        told.append(_validation(files))
    return "\n\n".join(told)


def interval(bounds: Sequence[float] | None) -> str:
    """Return an interval as `0.912 to 0.947`, or a dash."""
    return "{:.4f} to {:.4f}".format(*bounds) if bounds else "–"


def _about(files: RunFiles, part: str) -> str:
    n = files.metrics[part].get("n", 0)
    if part == "test":
        used = "took no part in training or in any choice"
    else:
        used = "are those it is judged by, since there is no test part"
        if chosen_on_validation(files):
            used += "; they also chose what was kept, so new images must be expected to score lower"
    how = "All intervals are 95 %, by bootstrap over the images"
    if class_metrics(files.metrics).get(part):
        how += "; those of a class's recall and precision are exact (Clopper and Pearson)"
    return f"The {n:,} {part} images {used}. {how}."


def _scores(scores: Mapping[str, Any], wanted: Sequence[Score]) -> str:
    """Return the table of those scores that there are."""
    positive, bounds = scores.get("positive_class") or "", dict(scores.get("ci95") or {})
    if scores.get("accuracy") == 1 and scores.get("n"):  # no resample of images without a mistake has one
        bounds["accuracy"] = clopper_pearson_interval(scores["n"], scores["n"])
    rows = [
        (score.title(positive), f"{scores[score.name]:.4f}", interval(bounds.get(score.name)), score.hint)
        for score in wanted
        if scores.get(score.name) is not None
    ]
    if not rows:
        return ""
    head = f"| score, n = {scores.get('n', 0):,} | value | 95 % interval | what it is |\n|---|---:|---:|---|\n"
    return head + "\n".join(f"| {' | '.join(map(plain_text, row))} |" for row in rows)


def _class_pieces(files: RunFiles, scores: Mapping[str, Any] | None) -> list[str]:
    if not scores or scores.get("accuracy") is None:
        return []
    wanted = [score for score in class_scores() if score.name not in _LEFT_OUT]
    shown = _scores(scores, wanted)
    return [
        section("Classes", shown, level=3) if files.metrics != class_metrics(files.metrics) else shown,
        _flawless(scores),
        section("By class", _by_class(scores), level=3),
        section("What is taken for what", _confusion(files, scores), level=3),
    ]


def _flawless(scores: Mapping[str, Any]) -> str:
    if scores["accuracy"] != 1 or not scores.get("n"):
        return ""
    return (
        "No image was classified wrongly. Resampling images without a mistake finds none, so the interval of the accuracy is exact "
        "(Clopper and Pearson); those of the other scores are too narrow."
    )


def _by_class(scores: Mapping[str, Any]) -> str:
    matrix, rows = scores["confusion_matrix"], []
    for k, each in enumerate(scores["per_class"]):
        given = sum(line[k] for line in matrix)
        rows.append(
            (
                each["class"],
                f"{each['support']:,}",
                *_share(matrix[k][k], each["support"]),
                *_share(matrix[k][k], given),
                "–" if each["f1"] is None else f"{each['f1']:.4f}",
            )
        )
    return markdown_table(("class", "n", "recall", "95 % interval", "precision", "95 % interval", "F1"), rows)


def _share(right: int, count: int) -> tuple[str, str]:
    return (f"{right / count:.4f}", interval(clopper_pearson_interval(right, count))) if count else ("–", "–")


def _confusion(files: RunFiles, scores: Mapping[str, Any]) -> str:
    names, matrix = scores["class_names"], scores["confusion_matrix"]
    if len(names) > _MATRIX:
        there = (files.folder / _CONFUSION).is_file()
        return f"![True classes in rows, predicted classes in columns]({_CONFUSION})" if there else ""
    rows = [(name, *(f"{count:,}" for count in line)) for name, line in zip(names, matrix, strict=True)]
    return markdown_table(("true class \\ predicted", *(plain_text(name) for name in names)), rows)


def _baselines(scores: Mapping[str, Any]) -> str:
    found = scores.get("baselines") or {}
    rows = [("this model", scores), *((BASELINES.get(name, name), each) for name, each in found.items())]
    if len(rows) < 2:
        return ""
    cells = [(name, f"{each['mean_iou']:.4f}", f"{each['share_50']:.4f}") for name, each in rows]
    labels = [SCORES[name].title() for name in ("mean_iou", "share_50")]
    return section("Beside boxes chosen without looking", markdown_table(("box", *labels), cells), level=3)


def _box_groups(scores: Mapping[str, Any]) -> str:
    rows = [
        (each["name"], f"{each['n']:,}", *_group_cells(each, "mean_iou"), *_group_cells(each, "share_50"))
        for each in [*(scores.get("per_class") or []), *(scores.get("by_size") or [])]
        if "mean_iou" in each
    ]
    if not rows:
        return ""
    labels = [SCORES[name].title() for name in ("mean_iou", "share_50")]
    head = ("group", "n", labels[0], "95 % interval", labels[1], "95 % interval")
    note = "Small boxes cover less than 10 % of the image, large ones 30 % or more. Intervals of IoU \\> 0.5 are exact."
    return section("Boxes by class and size", markdown_table(head, rows), note, level=3)


def _group_cells(each: Mapping[str, Any], name: str) -> tuple[str, str]:
    value, bounds = each.get(name), (each.get("ci95") or {}).get(name)
    if value is not None and name == "share_50":  # a count: resampling seven misses out of seven would say 0 to 0
        bounds = clopper_pearson_interval(round(value * each["n"]), each["n"])
    return "–" if value is None else f"{value:.4f}", interval(bounds)


def _validation(files: RunFiles) -> str:
    scores = files.metrics["validation"]
    of_classes = class_metrics(files.metrics).get("validation") or {}
    wanted = [score for score in SCORES.values() if score.name in _VALIDATION]
    boxes = _scores(scores, [score for score in wanted if score.of == "boxes"])
    classes = _scores(of_classes, [score for score in wanted if score.of != "boxes"])
    kind = "the rule of the ensemble" if files.ensemble else "what was kept of the training"
    note = f"These images chose {kind}: their scores are no measure of new images."
    if not chosen_on_validation(files):
        note = "Nothing was chosen on these images: the last epoch was kept."
    return section("Scores on validation images", note, boxes, classes)
