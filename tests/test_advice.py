"""What a run's curves and counts say about what to try next."""

import re
from collections import Counter
from pathlib import Path

import pytest

from tfvision.report.advice import advise
from tfvision.report.folder import RunFiles

HEAD = {"name": "head", "solver": "logistic_regression", "unfreeze": "none", "epochs": 1, "learning_rate": 1e-3}
TUNE = {"name": "fine-tune", "solver": "gradient", "unfreeze": "all", "epochs": 4, "learning_rate": 3e-4}
CONFIG = {"monitor": "val_loss", "phases": [HEAD, TUNE]}
ENOUGH = Counter({("train", "cat"): 50, ("train", "dog"): 60})
LARGE = {"n": 400, "ci95": {"accuracy": [0.88, 0.92]}}


def rows(*epochs: tuple[float, float, float, float]) -> list[dict[str, str]]:
    """Rows of history.csv from (loss, accuracy, val_loss, val_accuracy); the first is the head."""
    names = ("loss", "accuracy", "val_loss", "val_accuracy")
    return [
        {
            "phase": "fine-tune" if place else "head",
            **{name: str(value) for name, value in zip(names, epoch, strict=True)},
        }
        for place, epoch in enumerate(epochs)
    ]


def advice(
    history: list[dict[str, str]], *, counts: Counter = ENOUGH, validation: dict | None = None, **config: object
) -> list[str]:
    metrics = {"validation": LARGE if validation is None else validation}
    return advise(RunFiles(Path("x"), CONFIG | config, {}, metrics, history, counts, "", "", {}))


KEPT = (0.5, 0.90, 0.40, 0.88)


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [
        ([(1.2, 0.6, 0.9, 0.7), (0.8, 0.7, 0.6, 0.8)], "Kept the head: 2 epochs .* too high a rate does: try --learning-rate 1e-04"),
        ([(0.5, 0.9, 0.42, 0.87), (0.2, 0.97, 0.5, 0.86)], "its loss fell on the training images alone: try fewer open layers"),
        ([(0.48, 0.9, 0.41, 0.88), (0.47, 0.9, 0.41, 0.88)], "did not improve validation loss. It changed little"),
        ([(0.48, 0.9, 0.41, 0.88)], "Kept the head: 1 epoch of fine-tuning"),
        ([(0.9, 0.6, 0.45, 0.75)], "1 epoch of fine-tuning .* It began with a step back"),
    ],
)  # fmt: skip
def test_where_fine_tuning_brought_nothing(epochs: list, expected: str) -> None:
    (line,) = advice(rows(KEPT, *epochs))
    assert re.search(expected, line, re.IGNORECASE), line


def test_runs_that_find_boxes_are_advised_too() -> None:
    boxes = [
        {key: value for key, value in row.items() if "accuracy" not in key}
        for row in rows(KEPT, (0.48, 0, 0.41, 0), (0.47, 0, 0.41, 0))
    ]
    (line,) = advice(boxes)
    assert "Kept the head: 2 epochs of fine-tuning did not improve validation loss. It changed little" in line


def test_a_head_alone_was_meant_and_is_no_finding() -> None:
    assert advice(rows(KEPT), phases=[HEAD]) == []


def test_memorizing() -> None:
    (line,) = advice(rows(KEPT, (0.05, 0.995, 0.3, 0.82), (0.01, 1.0, 0.35, 0.83)))
    assert line.startswith("99.5 % of the training images are classified correctly and 82.0 % of validation")
    assert not advice(rows(KEPT, (0.2, 0.95, 0.3, 0.92), (0.1, 0.97, 0.35, 0.92)))


def test_memorizing_is_told_from_chance_and_a_head_has_no_layers_to_close() -> None:
    learned = rows((0.1, 1.0, 0.6, 0.80))
    (line,) = advice(learned, phases=[HEAD])
    assert line.endswith(
        "More images help most; then augmentation, larger images (--image-size) or fine-tuning (--preset balanced)."
    )
    (line,) = advice(learned, phases=[HEAD], validation={"n": 9})
    assert line.startswith("Validation has 9 images")


def test_accuracy_on_labels_that_a_model_gave_is_no_memorizing() -> None:
    tuned = TUNE | {"name": "fine-tune", "pseudo_labels": True}
    assert not advice(rows(KEPT, (0.05, 0.995, 0.3, 0.82)), phases=[HEAD, tuned])


def test_still_improving() -> None:
    falling = rows(
        KEPT, (0.4, 0.92, 0.36, 0.9), (0.35, 0.93, 0.32, 0.91), (0.3, 0.94, 0.29, 0.92), (0.25, 0.95, 0.25, 0.93)
    )
    (line,) = advice(falling)
    assert line == "Validation loss was still improving when training ended: try more epochs (--epochs 8)."
    (line,) = advice(falling, monitor="val_accuracy")
    assert line.startswith("Validation accuracy was still improving")
    assert not advice([row | {"epoch": str(place)} for place, row in enumerate(falling)], monitor="epoch")
    level = rows(
        KEPT, (0.4, 0.92, 0.30, 0.9), (0.35, 0.93, 0.296, 0.91), (0.3, 0.94, 0.295, 0.92), (0.25, 0.95, 0.294, 0.93)
    )
    assert advice(level) == []


def test_classes_of_few_images_and_a_small_validation() -> None:
    counts = Counter({("train", "cat"): 7, ("train", "dog"): 60, ("test", "dog"): 3})
    (line,) = advice([], counts=counts)
    assert line.startswith("1 class has fewer than 20 training images (cat 7)")
    (line,) = advice([], validation={"n": 46, "ci95": {"accuracy": [0.82, 0.96]}})
    assert line.startswith("Validation has 46 images, so that its accuracy is known to ±7 points")


def test_damaged_files_give_no_advice() -> None:
    assert advice([{"phase": "head", "val_loss": "n/a"}]) == [] and advice(rows(KEPT), phases="x", validation={}) == []
