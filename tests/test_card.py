"""The model card: every figure from the files of the run, valid for the hub, nothing made up, no paths of the machine."""

import json
import re
import shutil
from pathlib import Path

import pytest
from scipy.stats import binomtest

from tfvision.evaluation.metrics import compute_metrics
from tfvision.models.backbones.licences import KERAS_WEIGHTS, weights_licence
from tfvision.models.backbones.table import BACKBONES
from tfvision.report.card.card import render_card
from tfvision.report.card.markdown import code, plain_text
from tfvision.report.folder import read_run_files
from tfvision.report.page import write_report
from tfvision.runs.names import CARD
from tfvision.system.files import write_json
from tfvision.system.local_paths import shorten_paths

huggingface_hub = pytest.importorskip("huggingface_hub", reason="checks cards as the hub does")


@pytest.fixture
def run(small_run: Path, tmp_path: Path) -> Path:
    """A copy of a finished run, to change."""
    return Path(shutil.copytree(small_run, tmp_path / "cells"))


def card_of(run: Path) -> str:
    return render_card(read_run_files(run))


def rows_of(card: str, title: str) -> dict[str, list[str]]:
    """Return the rows of the first table below a heading, by their first cell."""
    below = card.split(f"# {title}\n", 1)[1].split("\n#", 1)[0]
    lines = [line for line in below.splitlines() if line.startswith("|")]
    return {cells[0]: cells[1:] for line in lines if (cells := [cell.strip() for cell in line.strip("|").split("|")])}


def test_a_training_leaves_a_card_with_the_figures_of_its_metrics(small_run: Path) -> None:
    card = (small_run / CARD).read_text("utf-8")
    metrics = json.loads((small_run / "metrics.json").read_text())
    for part in ("test", "validation"):
        value, low, high = rows_of(card, f"Scores on {part} images")["Accuracy"][0:1] + re.findall(
            r"[\d.]+", rows_of(card, f"Scores on {part} images")["Accuracy"][1]
        )
        found = metrics[part]
        assert float(value) == pytest.approx(found["accuracy"], abs=5e-5)
        exact = (0.025 ** (1 / found["n"]), 1)
        bounds = exact if found["accuracy"] == 1 else found["ci95"]["accuracy"]
        assert [float(low), float(high)] == pytest.approx(bounds, abs=5e-5)
        assert f"n = {found['n']}" in card
    assert card.index("Scores on test") < card.index("Scores on validation")
    assert "MODEL_CARD.md" in (small_run / "report.html").read_text("utf-8")


def test_recall_and_precision_of_a_class_have_exact_intervals(run: Path) -> None:
    labels, said = [0] * 10 + [1] * 10, [0] * 7 + [1] * 3 + [1] * 10
    probabilities = [[0.9, 0.1] if k == 0 else [0.2, 0.8] for k in said]
    write_json(run / "metrics.json", {"test": compute_metrics(labels, probabilities, ["a", "b|c"], resamples=20)})
    rows = rows_of(card_of(run), "By class")
    low, high = binomtest(7, 10).proportion_ci(method="exact")
    assert rows["a"][:3] == ["10", "0.7000", f"{low:.4f} to {high:.4f}"]
    low, high = binomtest(10, 13).proportion_ci(method="exact")
    assert "b\\|c" in card_of(run) and f"0.7692 | {low:.4f} to {high:.4f}" in card_of(run)
    assert "not classified" not in card_of(run) and "There is no validation" not in card_of(run)


def test_a_run_without_a_mistake_does_not_claim_certainty(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["test"]["accuracy"], metrics["test"]["n"] = 1.0, 20
    metrics["validation"]["accuracy"] = 0.9
    write_json(run / "metrics.json", metrics)
    card = card_of(run)
    assert rows_of(card, "Scores on test images")["Accuracy"][:2] == ["1.0000", f"{0.025 ** (1 / 20):.4f} to 1.0000"]
    assert "those of the other scores are too narrow" in card


def test_the_hub_takes_the_front_matter(small_run: Path) -> None:
    card = huggingface_hub.ModelCard((small_run / CARD).read_text("utf-8"))
    data, metrics = card.data, json.loads((small_run / "metrics.json").read_text())
    assert (data.library_name, data.pipeline_tag, data.license) == ("keras", "image-classification", None)
    assert {"tfvision", "keras", "small_cnn"} <= set(data.tags)
    results = {(each.metric_type, each.dataset_split): each.metric_value for each in data.eval_results}
    assert results["accuracy", "test"] == pytest.approx(metrics["test"]["accuracy"], abs=1e-6)
    assert {each.dataset_name for each in data.eval_results} == {"colours"}
    again = huggingface_hub.ModelCardData(**data.to_dict(), ignore_metadata_errors=False)
    assert again.to_dict() == data.to_dict()


def test_a_card_of_a_hub_says_how_to_get_it_and_its_licence(run: Path) -> None:
    text = render_card(read_run_files(run), repo="me/reds", licence="cc-by-4.0", saved_model=True)
    card = huggingface_hub.ModelCard(text)
    assert card.data.license == "cc-by-4.0" and card.data.model_name == "reds"
    assert (
        "hf download me/reds --local-dir reds" in text and "'reds/saved_model'" in text and "'reds/model.keras'" in text
    )
    assert "cells" not in text.split("---", 2)[2].split("## Reproduce it")[0]


def test_nothing_is_made_up_and_no_path_of_the_machine_stands_in_it(small_run: Path) -> None:
    text = (small_run / CARD).read_text("utf-8")
    told = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    assert len(told) > 2000 and not re.search(
        r"more information|[Tt]o ?do\b|TBD|n/a|placeholder|\bNone\b|\bnan\b", told
    )
    assert shorten_paths(text)[1] == 0 and str(small_run.parent) not in text
    assert "trained from scratch" in text and "A licence of this model is not stated" in text


def test_every_picture_lies_beside_it(small_run: Path) -> None:
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", (small_run / CARD).read_text("utf-8"))
    assert pictures and all((small_run / picture).is_file() for picture in pictures)


def test_what_was_found_left_out_and_not_grouped_is_told(run: Path) -> None:
    facts = json.loads((run / "data.json").read_text())
    assert facts["width"] == facts["height"] == [16, 16, 16] and facts["images"] == 60 and "groups" not in facts
    assert "The data names no groups" in card_of(run)
    facts |= {
        "left_out": 3,
        "notes": ["2 unreadable left out: a*.png"],
        "groups": {"train": 7, "test": 2},
        "group_column": "slide",
    }
    write_json(run / "data.json", facts)
    text = card_of(run)
    assert "3 more were left out" in text and "- 2 unreadable left out: a\\*.png" in text
    assert "Groups (column `slide`) that stay together: 7 in train, 2 in test" in text and "names no groups" not in text


def test_small_classes_and_what_was_not_measured_are_limits(run: Path) -> None:
    text = card_of(run).split("## Scores")[0]
    assert "Fewer than 20 training images of 3 of 3 classes" in text
    assert "Not measured: corrupted images (noise, blur, light) and attacks." in text
    rows = [{"corruption": "noise", "severity": k, "accuracy": 1 - k / 10} for k in range(1, 6)]
    stored = {"n": 6, "clean_accuracy": 1, "mean_corruption_accuracy": 0.7, "ci95": [0.6, 0.8], "corruptions": rows}
    write_json(run / "corruptions.json", stored)
    text = card_of(run)
    assert rows_of(text, "Under corruption")["noise"] == ["0.9000", "0.8000", "0.7000", "0.6000", "0.5000", "0.7000"]
    assert "Not measured: attacks." in text


def test_verbs_after_training_refresh_it(run: Path) -> None:
    from tfvision.decisions.choose import calibrate

    before = (run / CARD).read_text("utf-8")
    assert "Calibration and decision" not in before
    calibrate(run)
    after = (run / CARD).read_text("utf-8")
    assert (
        "## Calibration and decision" in after and "Temperature" in after and "as trained, not calibrated" not in after
    )


def test_a_folder_of_an_older_version_or_without_scores_has_a_card_too(run: Path) -> None:
    for name in ("data.json", "summary.txt", "environment.json", "history.csv"):
        (run / name).unlink()
    (run / ".digests").unlink(missing_ok=True)
    (run / "config.yaml").write_text("backbone: vgg16\nunknown_option: 1\n")
    text = card_of(run)
    assert "## Scores on test images" in text and "## Model and training" not in text
    (run / "metrics.json").unlink()
    write_report(run)
    assert (run / CARD).read_text() == "# vgg16 on unnamed images\n\nThis folder holds no scores yet.\n"


@pytest.mark.parametrize(
    ("backbone", "weights", "said"),
    [
        ("mobilenet_v2", "imagenet", "MobileNetV2 under Apache 2.0"),
        ("vgg16", "imagenet", "CC BY 4.0"),
        ("efficientnet_b0", "imagenet", "unknown"),
        ("vgg16", "mine.weights.h5", "unknown"),
        ("hub/resnet_18_imagenet", "imagenet", "`resnet_18_imagenet`"),
        ("small_cnn", "none", "from scratch"),
        ("model_from_python", "imagenet", "unknown"),
    ],
)
def test_licences_of_weights_are_those_of_the_source_or_unknown(backbone: str, weights: str, said: str) -> None:
    family = BACKBONES[backbone].family if backbone in BACKBONES else ""
    assert said in weights_licence(backbone, family, weights)


def test_licences_are_of_families_that_exist() -> None:
    assert set(KERAS_WEIGHTS) <= {each.family for each in BACKBONES.values()}


def test_text_of_the_run_cannot_break_the_page() -> None:
    assert plain_text("a|b *c* <i> _d_ e_f\n# g") == "a\\|b \\*c\\* \\<i\\> \\_d\\_ e_f \\# g"
    assert code("a`b") == "``a`b``" and code("a b") == "`a b`"


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("--data /srv/x/animals.zip --output run", "--data animals.zip --output run"),
        ("a '/home/me/my data/x.zip' b", "a 'x.zip' b"),
        ("C:\\Users\\me\\x.csv", "x.csv"),
        ("hub//data/folder and hub/./f", "hub/folder and hub/./f"),
        (
            "640 images/s, 1/2, https://x.org/a, images/cat/1.jpg, ~/x, a / b",
            "640 images/s, 1/2, https://x.org/a, images/cat/1.jpg, ~/x, a / b",
        ),
    ],
)
def test_absolute_paths_are_shortened_and_nothing_else(text: str, short: str) -> None:
    assert shorten_paths(text, "/home/me/my data/x.zip")[0] == short
