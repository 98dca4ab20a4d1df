"""clean.csv: a list of some images that `train --data` takes, whatever the data is."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tfvision.cli import main
from tfvision.data.images.imageset import ImageSet
from tfvision.data.sources.open import open_images
from tfvision.data.sources.selection import describe_selection
from tfvision.errors import DataError

SMALL = ("--backbone", "small_cnn", "--weights", "none", "--image-size", "16", "--small-cnn.filters", "[4]")


def write_list(images: ImageSet, path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(describe_selection(images, path))
    return path


def dataset(kind: str, colours: Path, folder: Path) -> Path:
    """Write the colours as a folder, a zip, a CSV or an npz."""
    if kind == "folder":
        return Path(shutil.copytree(colours, folder / "colours"))
    if kind == "zip":
        return Path(shutil.make_archive(str(folder / "colours"), "zip", colours))
    images = open_images(colours)
    names = [images.class_names[label] for label in images.labels]
    if kind == "npz":
        pixels = np.stack([images.read(i) for i in range(len(images))])
        np.savez_compressed(folder / "colours.npz", images=pixels, labels=names)
        return folder / "colours.npz"
    shutil.copytree(colours, folder / "colours")
    rows = [f"colours/{image_id},{name}" for image_id, name in zip(images.ids, names, strict=True)]
    (folder / "labels.csv").write_text("\n".join(["file,label", *rows]))
    return folder / "labels.csv"


@pytest.mark.parametrize("kind", ["folder", "zip", "csv", "npz"])
def test_a_list_opens_the_same_images_of_any_data(kind: str, colours: Path, tmp_path: Path) -> None:
    images = open_images(dataset(kind, colours, tmp_path))
    chosen = images.select(np.arange(0, 60, 2))
    opened = open_images(write_list(chosen, tmp_path / "audit" / "clean.csv"))
    assert opened.ids == chosen.ids and opened.class_names == images.class_names
    assert opened.labels.tolist() == chosen.labels.tolist()
    assert all((opened.read(i) == chosen.read(i)).all() for i in range(30))
    assert "30 of 60 images" in opened.notes[-1]
    assert len(open_images(tmp_path / "audit" / "clean.csv", labelled=False)) == 30


def test_train_takes_the_list_of_a_zip_and_of_an_npz(
    colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for kind in ("zip", "npz"):
        images = open_images(dataset(kind, colours, tmp_path))
        path = write_list(images.select(np.arange(10, 60)), tmp_path / f"{kind}.csv")
        assert main(["train", "--data", str(path), "--dry-run", *SMALL]) == 0
        assert "50 of 60 images" in capsys.readouterr().out


def test_a_label_corrected_in_the_list_is_the_label(colours: Path, tmp_path: Path) -> None:
    path = write_list(open_images(colours), tmp_path / "clean.csv")
    path.write_text(path.read_text().replace("blue/blue_000.png,blue", "blue/blue_000.png,red"))
    images = open_images(path)
    assert images.class_names[images.labels[images.ids.index("blue/blue_000.png")]] == "red"
    path.write_text("\n".join(line for line in path.read_text().splitlines() if "green/" not in line))
    assert open_images(path).class_names == ("blue", "red")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("blue/blue_000.png,", "blue/blue_999.png,", "blue/blue_999.png"),
        ("blue/blue_000.png,", "blue/blue_001.png,", "more than once"),
        ("blue/blue_000.png,blue", "blue/blue_000.png,bleu", "did you mean blue"),
        ("blue/blue_000.png,blue", "blue/blue_000.png,", "no label"),
        ("blue/blue_000.png,blue,", "blue/blue_000.png,blue,x", "2 data sets"),
        ("colours\n", "gone\n", "no such data"),
        ("colours\n", "clean.csv\n", "expected the data itself"),
    ],
)
def test_a_list_that_does_not_fit_is_one_line(colours: Path, tmp_path: Path, old: str, new: str, message: str) -> None:
    shutil.copytree(colours, tmp_path / "colours")
    path = write_list(open_images(tmp_path / "colours"), tmp_path / "clean.csv")
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=message) as error:
        open_images(path)
    assert "\n" not in str(error.value)


def test_an_empty_list_and_a_csv_of_the_users_own(colours: Path, tmp_path: Path) -> None:
    (tmp_path / "clean.csv").write_text("id,label,dataset\n")
    with pytest.raises(DataError, match="names no images"):
        open_images(tmp_path / "clean.csv")
    shutil.copytree(colours, tmp_path / "colours")
    (tmp_path / "own.csv").write_text("id,label\ncolours/blue/blue_000.png,x\ncolours/red/red_000.png,y\n")
    assert open_images(tmp_path / "own.csv").class_names == ("x", "y")
