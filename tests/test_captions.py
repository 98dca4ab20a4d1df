"""Captions: each says what the picture of this run shows, by figures worked out by hand."""

from tfvision.report.captions import captions

SCORES = {
    "confusion_matrix": [[8, 2, 0], [1, 9, 0], [0, 0, 5]],
    "class_names": ["crop", "road", "river"],
    "expected_calibration_error": 0.0214,
    "per_class": [
        {"class": "crop", "average_precision": 0.91, "roc_auc": 0.95},
        {"class": "road", "average_precision": 0.88, "roc_auc": 0.97},
        {"class": "river", "average_precision": 1.0, "roc_auc": 1.0},
    ],
}
HISTORY = [{"val_loss": "0.5"}, {"val_loss": "0.25"}, {"val_loss": "0.3"}]


def test_captions_say_what_the_files_say() -> None:
    assert captions(SCORES, HISTORY, "val_loss") == {
        "confusion_matrix": "22 of 25 images are on the diagonal. The largest number off it: 2 of 10 crop (20.0 %) taken for "
        "road.",
        "calibration": "Here the stated probability is off by 2.1 points on average.",
        "precision_recall": "Hardest is road (average precision 0.880), easiest river (1.000).",
        "roc": "Hardest is crop (area under the curve 0.950), easiest river (1.000).",
        "learning_curves": "The weights are those of epoch 2 of 3, the best by validation loss (0.2500).",
        "learning_rates": "",
    }


def test_the_caption_of_a_sweep_says_what_it_suggests() -> None:
    curve = {
        "phase": "train",
        "suggestion": 0.0012,
        "said": "a fifth of 0.006, ...",
        "start": "from the initial weights",
    }
    flat = {"phase": "tune", "suggestion": None, "said": "the loss neither falls nor rises", "start": "from the model"}
    assert captions(None, [], "val_loss", {"phases": [curve, flat]})["learning_rates"] == (
        "train: 0.0012, a fifth of 0.006, ... (from the initial weights). "
        "tune: the default, since the loss neither falls nor rises (from the model)."
    )


def test_the_last_epoch_is_not_called_the_best() -> None:
    found = captions(SCORES, HISTORY, "epoch")["learning_curves"]
    assert found == "The weights are those of the last epoch, 3, whatever its scores; validation chose none."


def test_a_missing_or_damaged_file_leaves_the_picture_alone() -> None:
    assert not any(captions(None, [], "val_loss").values())
    assert not any(captions({"confusion_matrix": 3, "per_class": [{}]}, [{"val_loss": "much"}], "val_loss").values())
