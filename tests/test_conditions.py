"""Corrupted images and test-time augmentation: seeded, in bounds, worse with severity, and the mean of the views."""

import csv
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tfvision.cli import main
from tfvision.data.augmentation.options import Augmentation
from tfvision.data.images.changed import change_images
from tfvision.data.sources.open import open_images
from tfvision.errors import DataError, UsageError
from tfvision.prediction.stored import load_predictor
from tfvision.prediction.tta import TtaPredictor, draw_views, flip_views, with_tta
from tfvision.robustness.corruptions import CORRUPTIONS, blend, parse_corruptions
from tfvision.robustness.scores import corrupt_images
from tfvision.runs.folder import open_run

DRAWN = [name for name in CORRUPTIONS if name != "blend"]


def picture(height: int = 40, width: int = 56, channels: int = 3) -> np.ndarray:
    """A smooth picture with an edge, away from 0 and 255."""
    y, x = np.mgrid[:height, :width]
    values = 60 + 60 * np.sin(x / 6) * np.cos(y / 9) + 40 * (x > width / 2) + 30
    return np.stack([values.clip(0, 255), values * 0.7, values * 0.5], axis=2)[..., :channels].astype(np.uint8)


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("size", [(40, 56, 3), (1, 1, 3), (7, 3, 1), (33, 32, 3)])
def test_a_corruption_keeps_shape_and_type_and_is_worse_each_time(name: str, size: tuple[int, ...]) -> None:
    image = picture(*size)
    kept = image.copy()
    results = [CORRUPTIONS[name](image, severity, np.random.default_rng(3)) for severity in range(1, 6)]
    assert all(result.shape == image.shape and result.dtype == np.uint8 for result in results)
    assert np.array_equal(image, kept)
    if size == (40, 56, 3):
        errors = [float(np.abs(result.astype(float) - image).mean()) for result in results]
        assert errors[0] > 0.1 and all(a < b for a, b in itertools.pairwise(errors))


def test_what_the_corruptions_do_to_known_pixels() -> None:
    rng = np.random.default_rng
    gray = np.full((64, 64, 3), 100, np.uint8)
    noisy = CORRUPTIONS["noise"](gray, 2, rng(0))
    assert noisy.std() == pytest.approx(0.08 * 255, rel=0.05) and noisy.mean() == pytest.approx(100, abs=1)
    assert (noisy[..., 0] == noisy[..., 2]).all()  # gray stays gray
    halves = np.concatenate([np.full((8, 4, 3), 50, np.uint8), np.full((8, 4, 3), 150, np.uint8)], axis=1)
    assert np.unique(CORRUPTIONS["contrast"](halves, 1, rng(0))).tolist() == [62, 138]  # a mean of 100, 3/4 of 50
    assert abs(int(CORRUPTIONS["brightness"](gray, 1, rng(0))[0, 0, 0]) - 100) == 26  # 25.5, to the even number
    covered = CORRUPTIONS["occlusion"](np.zeros((100, 60, 3), np.uint8), 3, rng(0)) == 127
    assert covered.mean() == pytest.approx(0.2, abs=0.01)
    assert blend(gray, 5, np.full((9, 20, 3), 200, np.uint8)).tolist() == np.full((64, 64, 3), 150).tolist()


def test_corrupted_images_depend_on_seed_and_id_alone(colours: Path) -> None:
    images = open_images(colours)
    order = np.random.default_rng(0).permutation(len(images))
    for name in ("noise", "occlusion", "blend"):
        plain = corrupt_images(images, name, 3, seed=1)
        mixed = corrupt_images(images.select(order), name, 3, seed=1)
        other = corrupt_images(images, name, 3, seed=2)
        assert np.array_equal(plain.read(int(order[5])), mixed.read(5))
        assert np.array_equal(plain.select([7]).read(0), plain.read(7))
        assert any((plain.read(i) != other.read(i)).any() for i in range(3))


def test_blend_takes_another_class_and_never_none(colours: Path) -> None:
    images = open_images(colours)
    blended = corrupt_images(images, "blend", 5, seed=0)
    own = images.read(0).reshape(-1, 3).mean(axis=0)  # blue
    assert np.abs(blended.read(0).reshape(-1, 3).mean(axis=0) - own).max() > 30
    with pytest.raises(DataError, match="all images are of one class"):
        corrupt_images(images.select(images.labels == 1), "blend", 1, seed=0)


@pytest.mark.parametrize(("text", "message"), [("nois", "did you mean noise"), ("", "unknown corruption")])
def test_unknown_corruptions_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_corruptions(text)
    assert parse_corruptions("blur, noise,blur") == ["blur", "noise"]
    assert parse_corruptions("all") == list(CORRUPTIONS)


def test_evaluate_writes_what_corruption_does(small_run: Path, colours: Path, tmp_path: Path, capsys) -> None:
    words = ["evaluate", str(small_run), "--data", str(colours), "--corrupt", "contrast", "--output"]
    assert main([*words, str(tmp_path / "c.json")]) == 0
    text, stored = capsys.readouterr().out, json.loads((tmp_path / "c.json").read_text())
    with open(tmp_path / "c.csv", newline="") as file:
        found = [float(row["accuracy"]) for row in csv.DictReader(file)]
    assert len(found) == 5 and stored["mean_corruption_accuracy"] == pytest.approx(np.mean(found), abs=1e-6)
    assert stored["ci95"][0] <= np.mean(found) <= stored["ci95"][1] and f"{np.mean(found):.4f}" in text
    assert (tmp_path / "c.svg").is_file() and (tmp_path / "c_samples.png").is_file()


def test_corruption_of_the_test_part_stands_in_the_report(small_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(small_run, tmp_path / "run")
    assert main(["evaluate", str(run), "--corrupt", "blur"]) == 0
    assert (run / "corruptions.csv").is_file() and "Under corruption" in (run / "report.html").read_text()


def test_tta_is_the_mean_over_the_views(small_run: Path, colours: Path, capsys: pytest.CaptureFixture) -> None:
    run, images = open_run(small_run), open_images(colours)
    predictor = load_predictor(small_run)
    tta = with_tta(predictor, run, "flips")
    assert len(tta.views) == 4  # it was trained with both flips
    turns = [lambda p: p, lambda p: p[:, ::-1], lambda p: p[::-1], lambda p: p[::-1, ::-1]]
    flipped = [change_images(images, lambda p, _, turn=turn: np.ascontiguousarray(turn(p))) for turn in turns]
    expected = np.mean([predictor.probabilities(one) for one in flipped], axis=0)
    np.testing.assert_allclose(tta.probabilities(images), expected, atol=1e-6)
    assert main(["evaluate", str(small_run), "--tta", "flips"]) == 0
    text = capsys.readouterr().out
    assert "4 views of each image" in text and "times the time" in text
    assert "accuracy  " in text and "test       accuracy" in text


def test_tta_by_draws_is_seeded_by_the_image(small_run: Path, colours: Path) -> None:
    images = open_images(colours)
    tta = with_tta(load_predictor(small_run), open_run(small_run), "2")
    found = tta.probabilities(images)
    order = np.random.default_rng(1).permutation(len(images))
    np.testing.assert_allclose(tta.probabilities(images.select(order)), found[order], atol=1e-6)
    other = TtaPredictor(tta.predictor, draw_views(Augmentation(vertical_flip=True), "2", 99))
    assert np.abs(other.probabilities(images) - found).max() > 1e-4


@pytest.mark.parametrize(
    ("kind", "augmentation", "message"),
    [
        ("flips", Augmentation(horizontal_flip=False), "trained without flips"),
        ("4", Augmentation(horizontal_flip=False), "nothing to draw"),
        ("4", Augmentation(rand_magnitude=0.3, engine="keras"), "works in training only"),
        ("0", Augmentation(), "from 1 to 1,000"),
        ("many", Augmentation(), "from 1 to 1,000"),
    ],
)
def test_tta_that_makes_no_sense_is_refused(kind: str, augmentation: Augmentation, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        flip_views(augmentation) if kind == "flips" else draw_views(augmentation, kind, 0)
