"""Export: a SavedModel that says what model.keras says, or none at all."""

import io
import json
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import small_config

from tfvision.cli import main
from tfvision.data.options import ResizeOptions
from tfvision.data.sources.open import open_images
from tfvision.errors import RunError
from tfvision.experiment.train import train_from_config
from tfvision.export import check
from tfvision.export import checked as export_run_module
from tfvision.export.check import Agreement
from tfvision.export.checked import export_run
from tfvision.models.model_file import save_model
from tfvision.prediction.stored import load_predictor
from tfvision.runs.folder import open_run


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 photos of different sizes and shapes, JPEG and PNG, in two classes."""
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(3)
    for name, colour in (("dawn", (60, 90, 220)), ("night", (70, 30, 10))):
        (folder / name).mkdir()
        for number in range(12):
            height, width = generator.integers(20, 90, 2)
            coarse = generator.integers(-40, 41, (5, 5, 3)).astype(np.float32)
            pixels = np.array(colour) + cv2.resize(coarse, (int(width), int(height)), interpolation=cv2.INTER_CUBIC)
            suffix = "png" if number % 3 == 0 else "jpg"
            cv2.imwrite(str(folder / name / f"{number}.{suffix}"), np.clip(pixels, 0, 255).astype(np.uint8))
    return folder


@pytest.fixture(scope="module")
def photo_run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that shrinks photos of many sizes to their middle."""
    folder = tmp_path_factory.mktemp("runs") / "crop"
    train_from_config(small_config(photos, folder, image_size=24, resize=ResizeOptions(mode="crop", kernel="bicubic")))
    assert (open_run(folder).facts.resize.mode, open_run(folder).facts.resize.kernel) == ("crop", "bicubic")
    return folder


@pytest.fixture
def compared_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run what the fresh process runs in this one, which has TensorFlow already; the exports of the command are real."""

    def ask(saved_model: Path, folder: Path, count: int, names: list[str]) -> dict:
        with monkeypatch.context() as patch, redirect_stdout(io.StringIO()) as answers:
            patch.setattr(sys, "argv", ["-c", str(folder), str(count), str(saved_model), *names])
            exec(check._SCRIPT, {})
        return json.loads(answers.getvalue().removeprefix("ANSWERS"))

    monkeypatch.setattr(check, "_ask", ask)


@pytest.mark.parametrize("mode", ["stretch", "crop", "pad"])
def test_savedmodel_equals_the_run_on_raw_images_of_any_size(
    mode: str, photo_run: Path, photos: Path, tmp_path: Path, compared_here: None
) -> None:
    """One resize: prediction, by the training's pipeline, and the exported graph agree to float32 rounding."""
    run = open_run(photo_run)
    facts = replace(run.facts, resize=replace(run.facts.resize, mode=mode))
    photo_run = shutil.copytree(photo_run, tmp_path / "run")
    save_model(run.model(), photo_run / "model.keras", facts)
    folder, agreement = export_run(open_run(photo_run), tmp_path / "name")
    assert folder == tmp_path / "name" / "1" and (folder / "saved_model.pb").is_file()
    assert agreement.images == 24
    assert agreement.difference <= 1e-5
    images = open_images(photos)
    ours, theirs = (load_predictor(path).probabilities(images) for path in (photo_run, tmp_path / "name"))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert np.array_equal(ours.argmax(axis=1), theirs.argmax(axis=1))


@pytest.mark.slow
def test_versions_count_up_and_predict_takes_the_newest(
    small_run: Path, colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture, request: pytest.FixtureRequest
) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    (tmp_path / "name" / f".unfinished-{process.pid}" / "variables").mkdir(parents=True)  # killed while it exported
    for _ in range(2):
        assert main(["export", str(small_run), "--output", str(tmp_path / "name")]) == 0
        assert "largest difference" in capsys.readouterr().out
        request.getfixturevalue("compared_here")  # once in a fresh process is enough
    assert sorted(path.name for path in (tmp_path / "name").iterdir()) == ["1", "2"]
    for model in (small_run, tmp_path / "name", tmp_path / "name" / "1"):
        assert main(["predict", str(model), str(colours), "--output", str(tmp_path / "p.csv")]) == 0
        found = [line.split(",")[:2] for line in (tmp_path / "p.csv").read_text().splitlines()]
        expected = expected if model != small_run else found  # noqa: F821 - the run comes first
        assert found == expected


def test_signatures_return_probabilities_class_and_name(
    small_run: Path, colours: Path, tmp_path: Path, compared_here: None
) -> None:
    import tensorflow as tf

    export_run(open_run(small_run), tmp_path)
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    images = open_images(colours)
    batch = np.stack([cv2.resize(images.read(i), (31, 19)) for i in (0, 25, 45)])
    answer = loaded.signatures["serving_default"](images=tf.constant(batch))
    assert answer["probabilities"].shape == (3, 3)
    assert answer["class"].numpy().tolist() == [0, 1, 2]
    assert answer["class_name"].numpy().tolist() == [b"blue", b"green", b"red"]
    encoded = tf.constant([images.read_bytes(0), images.read_bytes(45)])
    assert loaded.signatures["serve_bytes"](encoded=encoded)["class_name"].numpy().tolist() == [b"blue", b"red"]


def test_an_export_that_differs_is_refused_and_nothing_is_left(
    small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compared_here: None
) -> None:
    """The check is seen to fail when the guarded thing is broken: another resize in the exported graph."""
    import tensorflow as tf

    from tfvision.export import savedmodel as savedmodel

    def wrong(pixels: tf.Tensor, resize: object) -> tf.Tensor:
        return tf.cast(tf.image.resize(pixels, (8, 8)), tf.uint8)

    def wrong_and_back(pixels: tf.Tensor, resize: object) -> tf.Tensor:
        return tf.cast(tf.image.resize(tf.cast(wrong(pixels, resize), tf.float32), (16, 16)), tf.uint8)

    monkeypatch.setattr(savedmodel, "resize_images", wrong_and_back)
    with pytest.raises(RunError, match=r"differs from model\.keras by"):
        export_run(open_run(small_run), tmp_path / "name")
    assert not list((tmp_path / "name").iterdir())


def test_export_says_when_the_data_is_gone(small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    moved = tmp_path / "run"
    shutil.copytree(small_run, moved)
    text = (moved / "config.yaml").read_text()
    (moved / "config.yaml").write_text(
        "\n".join("data: gone" if line.startswith("data:") else line for line in text.splitlines())
    )
    assert main(["export", str(moved), "--output", str(tmp_path / "s")]) == 3
    message = capsys.readouterr().err
    assert "--data" in message and message.count("\n") == 1


def test_large_images_are_compared_only_as_far_as_their_pixels_fit(
    small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """60 images of 768 bytes each: of 4,000 bytes five fit, of 100 none, and one is compared all the same."""
    monkeypatch.setattr(export_run_module, "write_saved_model", lambda endpoints, facts, folder: folder)
    monkeypatch.setattr(
        export_run_module, "check_saved_model", lambda folder, images, *_, **__: Agreement(len(images), 0, 1, None)
    )
    monkeypatch.setattr(export_run_module, "publish", lambda temporary, folder: folder)
    for number, (space, images) in enumerate([(4_000, 5), (100, 1)]):
        monkeypatch.setattr(export_run_module, "_DECODED", space)
        assert export_run(open_run(small_run), tmp_path / str(number))[1].images == images


def test_images_that_fit_are_spread_over_all() -> None:
    photos = np.full((400, 2), (3000, 4000))  # 36 MB each
    assert export_run_module._fitting(photos).tolist() == [int(k * 399 / 13) for k in range(14)]
    assert export_run_module._fitting(np.full((400, 2), 500)).tolist() == list(range(400))


def test_a_full_temporary_folder_is_said_in_a_line(
    small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(RunError, match=r"images to compare on into .*No space left on device; free") as error:
        export_run(open_run(small_run), tmp_path / "name")
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "name").iterdir())
