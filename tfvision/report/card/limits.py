"""Intended use and limits of a model, as far as they follow from what is known of its run."""

from collections.abc import Mapping

from tfvision.evaluation.score_names import LAST_EPOCH
from tfvision.report.box_story import class_metrics
from tfvision.report.card.data import data_name
from tfvision.report.card.markdown import bullets, code, plain_text, section
from tfvision.report.card.options import config_of
from tfvision.report.folder import RunFiles
from tfvision.tasks import has_boxes, has_classes

_FEW, _UNEQUAL, _SMALL = 20, 5, 100  # images of a class, times as many in the largest, images of validation
_NAMED = 12


def limits_section(files: RunFiles, part: str) -> str:
    """Return the section on intended use and limits.

    Args:
        files: The files of the run.
        part: The part that it is judged by.

    Returns:
        Markdown; each sentence follows from a file of the run.
    """
    found = [
        _closed(files),
        *_smallness(files, part),
        _groups(files),
        *_seen(files),
        _luck(files),
        *_unmeasured(files, part),
    ]
    return section("Intended use and limits", _use(files), bullets([line for line in found if line]))


def asked_task(files: RunFiles) -> str:
    """Return what the model is asked for, see `tfvision.tasks`."""
    return str(files.config.get("task") or "classify")


def names_of(files: RunFiles) -> list[str]:
    """Return the names of its classes; none where it finds boxes alone."""
    of_classes = class_metrics(files.metrics)
    return next((scores["class_names"] for scores in of_classes.values() if scores and scores.get("class_names")), [])


def class_list(names: list[str]) -> str:
    """Return the names of classes, escaped, those beyond the first dozen counted."""
    shown = ", ".join(plain_text(name) for name in names[:_NAMED])
    return shown + (f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else "")


def _use(files: RunFiles) -> str:
    task, names = asked_task(files), names_of(files)
    asked = []
    if has_classes(task):
        asked.append(f"name the class of an image, one of {len(names)} ({class_list(names)})")
    if has_boxes(task):
        asked.append("draw one box around the object in an image")
    made = "chosen" if files.ensemble else "trained"
    return (
        f"Intended use: to {' and to '.join(asked)}. It was {made} and scored on images of {code(data_name(files))} alone; "
        "nothing is known about other kinds of images."
    )


def _closed(files: RunFiles) -> str:
    task = asked_task(files)
    if has_boxes(task):
        also = " and one of these classes" if has_classes(task) else ""
        return f"Every image gets exactly one box{also}, also if it shows no such object, or several."
    return "Every image gets one of these classes, also if it shows something else."


def _smallness(files: RunFiles, part: str) -> list[str]:
    told = []
    learned = {label: count for (one, label), count in files.counts.items() if one == "train" and label}
    judged = {label: count for (one, label), count in files.counts.items() if one == part and label}
    if has_classes(asked_task(files)):
        told += [_few(learned, "training"), _few(judged, part)]
        if learned and max(learned.values()) >= _UNEQUAL * min(learned.values()):
            most, least = max(learned, key=lambda name: learned[name]), min(learned, key=lambda name: learned[name])
            told.append(
                f"Classes are unequal in training: {learned[most]:,} images of {plain_text(most)}, {learned[least]:,} of "
                f"{plain_text(least)}."
            )
    return [*told, _validation(files)]


def _few(counts: Mapping[str, int], part: str) -> str:
    few = {name: count for name, count in counts.items() if count < _FEW}
    if not few:
        return ""
    shown = ", ".join(f"{plain_text(name)} {few[name]}" for name in sorted(few, key=lambda name: few[name])[:_NAMED])
    return f"Fewer than {_FEW} {part} images of {len(few)} of {len(counts)} classes ({shown}): their scores say little."


def _validation(files: RunFiles) -> str:
    scores = files.metrics.get("validation") or {}
    n, bounds = scores.get("n") or 0, (scores.get("ci95") or {}).get("accuracy")
    if not 0 < n < _SMALL or "test" not in files.metrics:
        return ""
    known = (
        f", on which accuracy is known to ±{50 * (bounds[1] - bounds[0]):.0f} points"
        if bounds and bounds[1] > bounds[0]
        else ""
    )
    return f"What was chosen on validation was chosen on {n} images{known}."


def _groups(files: RunFiles) -> str:
    if not files.data or files.data.get("groups"):
        return ""
    return (
        "The data names no groups. If several images show the same object, person, place or camera, some of them may be in "
        "training and others in the test, and scores are too high for objects, people, places or cameras that are new."
    )


def _seen(files: RunFiles) -> list[str]:
    """Say what the resize takes from an image."""
    config, told = config_of(files), []
    if config is None or not config.image_size:
        return []
    widest, side = max([*files.data.get("width", ()), *files.data.get("height", ())], default=0), config.image_size
    if widest > side:
        told.append(f"Images of up to {widest:,} px are shrunk to {side} px: what is finer than that, it cannot see.")
    if config.resize.mode == "crop" and files.data.get("width") != files.data.get("height"):
        told.append("It sees the largest centred square of an image, and nothing of what lies outside of it.")
    return told


def _luck(files: RunFiles) -> str:
    config = config_of(files)
    if config is None:
        return ""
    told = "One training with one seed: how far another seed would score differently is not part of the intervals."
    if config.split.folds:
        told += f" It is fold {config.split.fold} of {config.split.folds} of a cross-validation, which tells more."
    return told


def _unmeasured(files: RunFiles, part: str) -> list[str]:
    told = []
    scores = class_metrics(files.metrics).get(part) or {}
    if has_classes(asked_task(files)):
        error = scores.get("expected_calibration_error")
        if error is not None and (files.decision.get("temperature") or 1) == 1:
            told.append(
                f"Its probabilities are as {'combined' if files.ensemble else 'trained'}, not calibrated: on {part} they are "
                f"off by {100 * error:.1f} points on average."
            )
        open_questions = {
            "corrupted images (noise, blur, light)": files.corruptions,
            "attacks": files.attack,
        }
        told.append(_weakness(files))
        missing = [name for name, found in open_questions.items() if not found]
        if missing:
            told.append(f"Not measured: {' and '.join(missing)}.")
    else:
        told.append("Not measured: corrupted images.")
    return told


def _weakness(files: RunFiles) -> str:
    """Say which corruption costs most accuracy, and how much."""
    rows = files.corruptions.get("corruptions") or []
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(row["corruption"], []).append(row["accuracy"])
    if not found:
        return ""
    means = {name: sum(values) / len(values) for name, values in found.items()}
    worst = min(means, key=lambda name: means[name])
    return (
        f"Of the corruptions tried, {plain_text(worst)} costs most: accuracy {means[worst]:.4f} on average over its severities, "
        f"{files.corruptions['clean_accuracy']:.4f} without it."
    )


def chosen_on_validation(files: RunFiles) -> bool:
    """Tell whether anything of the run was chosen on its validation images."""
    config = config_of(files)
    kept = config is not None and config.monitor == LAST_EPOCH and not config.classifier
    return not kept or bool(files.decision) or bool(files.pseudo_labels)
