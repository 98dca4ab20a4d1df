"""Memory or space for temporary files that runs out, and too few images: one line, and nothing like a result."""

import errno
import os
from pathlib import Path

import cv2
import keras
import pytest
from conftest import small_config, write_tree

from tfvision.cli import main
from tfvision.data.batches import pipeline
from tfvision.errors import RunError
from tfvision.experiment.train import train_from_config
from tfvision.training.options import Phase

SMALL = ["--backbone", "small_cnn", "--weights", "none", "--epochs", "1"]


@pytest.mark.parametrize("options", [[], ["--on-bad", "skip"]])
def test_no_memory_for_an_image_does_not_make_it_a_damaged_one(
    options: list[str], colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """With `skip` it would be left out, and the scores be those of other images."""
    real, calls = cv2.imdecode, []

    def imdecode(data: object, flags: int) -> object:
        calls.append(flags)
        if len(calls) == 20:
            error = cv2.error("Failed to allocate 300000000 bytes")
            error.code = cv2.Error.STS_NO_MEM
            raise error
        return real(data, flags)

    monkeypatch.setattr(cv2, "imdecode", imdecode)
    words = ["train", "--data", str(colours), "--output", str(tmp_path / "run"), *SMALL, *options]
    assert main(words) == 4
    message = capsys.readouterr().err
    assert message.startswith("tfvision: out of memory; ") and message.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("without_pictures")
def test_no_memory_for_a_batch_says_which_batch_to_try(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load_images(*args: object) -> None:
        raise MemoryError

    config = small_config(colours, tmp_path / "run", phases=[Phase(epochs=1)])
    with monkeypatch.context() as patch, pytest.raises(RunError) as error:
        patch.setattr(pipeline, "load_images", load_images)
        train_from_config(config)
    said = str(error.value)
    assert "out of memory; try --batch-size 4" in said and str(tmp_path / "run") in said and "\n" not in said


@pytest.mark.parametrize("verb", ["train", "crossval", "search", "learning-curve", "train --classifier knn", "lr-find"])
@pytest.mark.parametrize(
    ("classes", "each", "reason"), [(("red",), 6, "only the class red"), (("blue", "green", "red"), 1, "fewer")]
)
def test_one_class_and_one_image_a_class_are_refused(
    verb: str, classes: tuple[str, ...], each: int, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    data = write_tree(tmp_path / "data", each, classes)
    (tmp_path / "space.yaml").write_text("{backbone: small_cnn, weights: none, learning_rate: {float: [0.001, 0.1]}}")
    options = ["--config", str(tmp_path / "space.yaml")] if verb == "search" else SMALL
    options = SMALL[:4] if "classifier" in verb else options
    words = [*verb.split(), "--data", str(data), "--output", str(tmp_path / "out"), *options]
    assert main(words) == 3
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and reason in message
    assert not (tmp_path / "out").exists()


def test_an_audit_and_a_prediction_take_one_image(
    small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    data = write_tree(tmp_path / "data", 1, ("red",))
    assert main(["audit", str(data), "--weights", "none", "--output", str(tmp_path / "audit")]) == 0
    assert main(["predict", str(small_run), str(data), "--output", str(tmp_path / "answers.csv")]) == 0
    assert len((tmp_path / "answers.csv").read_text().splitlines()) == 2


def test_a_full_disk_for_temporary_files_does_not_make_a_model_a_damaged_one(
    small_run: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras unpacks a `.keras` file into a temporary folder."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(keras.saving, "load_model", full)
    assert main(["predict", str(small_run), "digits"]) == 4
    said = capsys.readouterr().err
    assert said.startswith(f"tfvision: no space to unpack {small_run / 'model.keras'} (No space left")
    assert said.endswith("set TMPDIR to a folder that has it\n") and said.count("\n") == 1
