"""Between opening and training: small classes, exact copies under two labels."""

from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from conftest import small_config, write_tree

from tfvision.errors import DataError
from tfvision.experiment.preparation import Prepared, read_images


def prepared(data: Path, **options: object) -> Prepared:
    return read_images(replace(small_config(data, data.parent / "run"), **options))[1]


def test_small_classes_can_be_left_out(tmp_path: Path) -> None:
    data = write_tree(tmp_path / "data", 6)
    for number in range(2, 6):
        (data / "green" / f"green_{number:03}.png").unlink()
    with pytest.raises(DataError, match=r"fewer than 3 images: green \(2\); .*--on-small skip"):
        prepared(data)
    found = prepared(data, on_small="skip")
    assert (
        found.images.class_names == ("blue", "red") and len(found.images) == len(found.hashes) == len(found.sizes) == 12
    )
    assert found.notes[0] == "classes with fewer than 3 images are left out: green (2)"
    assert {image_id.split("/")[0]: found.images.class_names[label]
            for image_id, label in zip(found.images.ids, found.images.labels, strict=True)} == {"blue": "blue", "red": "red"}  # fmt: skip
    for number in range(2, 6):
        (data / "red" / f"red_{number:03}.png").unlink()
    with pytest.raises(
        DataError, match=r"1 classes with 3 images or more; expected two; without: green \(2\), red \(2\)"
    ):
        prepared(data, on_small="skip")


def test_exact_copies_under_two_labels_are_said(tmp_path: Path) -> None:
    data = write_tree(tmp_path / "data", 6)
    assert not any("another label" in note for note in prepared(data).notes)
    cv2.imwrite(str(data / "red" / "copy.png"), cv2.imread(str(data / "blue" / "blue_000.png")))
    (note,) = [note for note in prepared(data).notes if "another label" in note]
    assert note == (
        "1 images are exact copies of images with another label, such as blue/blue_000.png (blue) and red/copy.png (red): "
        "one is wrong (`tfvision audit` lists them)"
    )
