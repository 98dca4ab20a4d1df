"""Whole runs, from images to an export and back, on data with odd names and on photos of phones."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfvision.cli import main
from tfvision.data.sources.open import open_images
from tfvision.prediction.stored import load_predictor
from tfvision.runs.folder import open_run
from tfvision.system.csv_table import read_mappings

ODD = ["a, b", 'say "hi"', "two\nlines", "$5_$10", "<b>x&amp;", "=1+1", "猫咪", "_private", "nan", "None"]
SMALL = ["--backbone", "small_cnn", "--weights", "none", "--batch-size", "16", "--learning-rate", "3e-3"]


def save(path: Path | bytes, pixels: np.ndarray, **options: object) -> None:
    stream = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(stream, **options)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(stream.getvalue())


def read(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return read_mappings(file)


@pytest.mark.slow
def test_odd_names_of_classes_folders_and_files(tmp_path: Path) -> None:
    data, base = tmp_path / "50% off [new] #1 {x}", tmp_path / "runs [x] #1 50%"
    generator = np.random.default_rng(0)
    for number, name in enumerate(ODD):
        for k in range(8):
            colour = np.array([number * 25, 255 - number * 25, 90 + 60 * (number % 3)])
            save(data / name / f"im [1] #{k} 100%.png", colour + generator.normal(0, 10, (20, 24, 3)), format="PNG")
    run, saved = str(base / "one"), str(base / "saved [m] 5%")
    assert main(["train", "--data", str(data), "--output", run, *SMALL, "--image-size", "24", "--epochs", "2"]) == 0
    assert (
        main(["train", "--data", str(data), "--output", f"{run} two", *SMALL, "--image-size", "24", "--epochs", "1"])
        == 0
    )
    rows = read(base / "one" / "predictions.csv")
    assert {row["label"] for row in rows} == set(ODD) and {f"p_{name}" for name in ODD} < set(rows[0])
    page = (base / "one" / "report.html").read_text()
    assert "&lt;b&gt;x&amp;amp;" in page and "<b>x" not in page
    assert len(list((base / "one" / "plots").glob("*.*g"))) > 6
    assert main(["evaluate", run, "--data", str(data), "--output", str(base / "e.json")]) == 0
    assert main(["compare", run, f"{run} two", "--output", str(base / "compared")]) == 0
    assert main(["export", run, "--output", saved]) == 0
    for number, model in enumerate((run, saved)):
        assert main(["predict", model, str(data), "--output", str(base / f"{number}.csv")]) == 0
    ours, theirs = (read(base / f"{number}.csv") for number in (0, 1))
    assert [row["predicted"] for row in ours] == [row["predicted"] for row in theirs]
    assert [row["id"] for row in ours] == list(open_images(data).ids)


@pytest.mark.slow
def test_names_that_are_no_utf8_survive_a_whole_run(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for number, name in enumerate(("cat", "dog")):
        for k in range(10):
            pixels = 100 * number + 50 + generator.normal(0, 20, (16, 16, 3))
            save(os.fsencode(tmp_path / "data" / name) + b"/f\xe9line_%d.png" % k, pixels, format="PNG")
    run = tmp_path / "run"
    assert main(["train", "--data", str(tmp_path / "data"), "--output", str(run), *SMALL, "--epochs", "1"]) == 0
    assert main(["predict", str(run), str(tmp_path / "data"), "--output", str(tmp_path / "p.csv")]) == 0
    assert r"dog/f\xe9line_9.png" in {row["id"] for row in read(tmp_path / "p.csv")}
    assert {row["id"] for row in read(run / "splits.csv")} == {row["id"] for row in read(tmp_path / "p.csv")}
    assert main(["evaluate", str(run)]) == 0
    assert main(["export", str(run), "--output", str(tmp_path / "saved")]) == 0


@pytest.mark.slow
def test_photos_that_exif_turns_are_served_as_they_are_predicted(tmp_path: Path) -> None:
    """What is up decides the class, and three of four photos are stored on the side or upside down."""
    import tensorflow as tf

    generator = np.random.default_rng(1)
    turns = {6: Image.Transpose.ROTATE_90, 3: Image.Transpose.ROTATE_180, 8: Image.Transpose.ROTATE_270}
    for number, name in enumerate(("sky_above", "sky_below")):
        for k in range(40):
            pixels = np.full((60, 60, 3), (60, 120, 40), np.float64)
            half = pixels[30:] if number else pixels[:30]
            half[:] = (110, 160, 240)
            image = Image.fromarray(np.clip(pixels + generator.normal(0, 20, pixels.shape), 0, 255).astype(np.uint8))
            orientation, exif = (1, 3, 6, 8)[k % 4], Image.Exif()
            exif[0x0112] = orientation
            turned = image.transpose(turns[orientation]) if orientation in turns else image
            path = tmp_path / "data" / name / f"IMG_{k:04}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            turned.save(path, quality=92, exif=exif)
    run = tmp_path / "run"
    words = ["--output", str(run), *SMALL, "--image-size", "32", "--epochs", "12"]
    assert main(["train", "--data", str(tmp_path / "data"), *words]) == 0
    assert open_run(run).metrics["test"]["accuracy"] == 1
    assert main(["export", str(run), "--output", str(tmp_path / "saved")]) == 0
    images = open_images(tmp_path / "data")
    serve = tf.saved_model.load(str(tmp_path / "saved" / "1")).signatures["serve_bytes"]
    served = serve(encoded=tf.constant([images.read_bytes(row) for row in range(len(images))]))
    predicted = load_predictor(run).probabilities(images)
    assert np.array_equal(served["class"].numpy(), predicted.argmax(axis=1))
    np.testing.assert_allclose(served["probabilities"], predicted, atol=0.02)
