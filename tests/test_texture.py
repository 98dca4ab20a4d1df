"""Images without texture or shape: what each change keeps to the bit, and the scores of a run on them."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import tfvision
from tfvision.cli import main
from tfvision.data.pixels.resize import Resize
from tfvision.data.sources.open import open_images
from tfvision.errors import DataError, UsageError
from tfvision.robustness.corruptions import low_pass
from tfvision.robustness.texture_changes import TEXTURE_CHANGES
from tfvision.robustness.texture_scores import changed_pixels

SHUFFLES = {"shuffle 2x2": 2, "shuffle 4x4": 4, "shuffle 8x8": 8}


def disc(height: int = 48, width: int = 64, channels: int = 3) -> np.ndarray:
    """A bright disc with a little noise on a dark ground, away from 0 and 255."""
    y, x = np.mgrid[:height, :width]
    inside = (y - height / 2) ** 2 + (x - width / 2) ** 2 < (min(height, width) * 0.3) ** 2
    noise = np.random.default_rng(0).integers(-6, 7, (height, width, 3))
    image = np.where(inside[..., None], (170, 150, 90), (60, 80, 100)) + noise
    return image[..., :channels].astype(np.uint8)


def change(name: str, image: np.ndarray, seed: int = 0) -> np.ndarray | None:
    return TEXTURE_CHANGES[name](image, np.random.default_rng(seed))


@pytest.mark.parametrize("name", TEXTURE_CHANGES)
@pytest.mark.parametrize("size", [(48, 64, 3), (33, 31, 1), (8, 8, 3)])
def test_a_change_keeps_shape_and_type_and_leaves_the_image_alone(name: str, size: tuple[int, ...]) -> None:
    image = disc(*size)
    kept = image.copy()
    found = change(name, image)
    assert np.array_equal(image, kept)
    if found is not None:
        assert found.shape == image.shape and found.dtype == np.uint8
    assert found is not None or name == "silhouette"
    again = change(name, image)
    assert (found is None and again is None) or np.array_equal(found, again)


def test_gray_is_gray_and_as_bright() -> None:
    found = change("gray", disc())
    assert (found == found[..., :1]).all()
    expected = disc() @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(found[..., 0], expected, atol=0.51)
    assert np.array_equal(change("gray", disc(channels=1)), disc(channels=1))


@pytest.mark.parametrize("name", SHUFFLES)
@pytest.mark.parametrize("size", [(48, 64), (51, 69)])
def test_shuffling_keeps_the_multiset_of_patches(name: str, size: tuple[int, int]) -> None:
    image, grid = disc(*size), SHUFFLES[name]
    rows, columns = size[0] // grid, size[1] // grid

    def patches(pixels: np.ndarray) -> list[bytes]:
        cut = [
            pixels[r * rows : (r + 1) * rows, c * columns : (c + 1) * columns] for r in range(grid) for c in range(grid)
        ]
        return [patch.tobytes() for patch in cut]

    for seed in range(30):  # of the 24 orders of four patches, the old one is never taken
        found = change(name, image, seed)
        assert sorted(patches(found)) == sorted(patches(image)) and patches(found) != patches(image)
        assert np.array_equal(found[grid * rows :], image[grid * rows :])
        assert np.array_equal(found[:, grid * columns :], image[:, grid * columns :])


@pytest.mark.parametrize("deviation", [1, 2, 4])
def test_low_and_high_add_up_to_the_image(deviation: int) -> None:
    image = disc()
    low, high = change(f"low-pass {deviation} px", image), change(f"high-pass {deviation} px", image)
    assert np.array_equal(low.astype(int) + high - 128, image)
    assert np.array_equal(low, low_pass(image, deviation))
    assert low.std() < image.std()
    flat = np.full((16, 16, 3), 77, np.uint8)
    assert (change(f"low-pass {deviation} px", flat) == 77).all()
    assert (change(f"high-pass {deviation} px", flat) == 128).all()


def test_edges_are_binary_and_where_the_edge_is() -> None:
    halves = np.concatenate([np.full((32, 16, 3), 40, np.uint8), np.full((32, 16, 3), 200, np.uint8)], axis=1)
    found = change("edges", halves)
    assert np.unique(found).tolist() == [0, 255] and (found == found[..., :1]).all()
    columns = np.unique(np.nonzero(found[..., 0] == 0)[1])
    assert len(columns) and set(columns) <= {14, 15, 16, 17}
    assert (change("edges", np.full((16, 16, 3), 90, np.uint8)) == 255).all()


def test_a_silhouette_is_two_valued_and_the_object() -> None:
    found = change("silhouette", disc())
    assert np.unique(found).tolist() == [0, 255] and (found == found[..., :1]).all()
    y, x = np.mgrid[:48, :64]
    inside = (y - 24) ** 2 + (x - 32) ** 2 < (48 * 0.3) ** 2
    agreed = (found[..., 0] == 0) == inside
    assert agreed.mean() > 0.97


def test_a_uniform_image_has_no_silhouette() -> None:
    assert change("silhouette", np.full((32, 32, 3), 120, np.uint8)) is None
    assert change("silhouette", np.full((32, 32, 1), 0, np.uint8)) is None


def test_changes_depend_on_seed_and_id_alone(colours: Path) -> None:
    images, resize = open_images(colours), Resize(24, 24)
    some = images.select([9, 3])
    whole, part = (changed_pixels(each, "shuffle 4x4", resize, seed=1) for each in (images, some))
    assert all(np.array_equal(part[image_id], whole[image_id]) for image_id in some.ids)
    other = changed_pixels(some, "shuffle 4x4", resize, seed=2)
    assert any((other[image_id] != part[image_id]).any() for image_id in some.ids)
    assert {pixels.shape for pixels in whole.values()} == {(24, 24, 3)}


def test_two_runs_are_scored_on_the_same_changed_images(small_run: Path, tmp_path: Path, capsys) -> None:
    other = shutil.copytree(small_run, tmp_path / "other")
    output = tmp_path / "out"
    assert main(["texture", str(small_run), str(other), "--output", str(output), "--limit", "5"]) == 0
    said, stored = capsys.readouterr().out, json.loads((output / "texture.json").read_text())
    assert stored["n"] == 5 and stored["images"] == "test"
    with open(output / "texture.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(stored["scores"]) == 2 * (1 + len(TEXTURE_CHANGES))
    first, second = (
        [{**row, "run": ""} for row in stored["scores"] if row["run"] == str(run)] for run in (small_run, other)
    )
    assert first == second  # the same model
    for row in first:
        assert row["n"] + row["not_changed"] == 5
        assert row["accuracy"] is None or row["low"] <= row["accuracy"] <= row["high"]
    silhouettes = first[-1]
    assert ("silhouette did not work on" in said) == (silhouettes["not_changed"] > 0)
    unchanged, gray = first[0], first[1]
    assert unchanged["accuracy"] == unchanged["unchanged"] == gray["unchanged"]
    assert unchanged["accuracy"] > 0.7 > gray["accuracy"]  # only colour tells these classes apart
    assert (output / "texture.png").stat().st_size > 10_000
    assert f"{gray['accuracy']:.4f} [{gray['low']:.4f}, {gray['high']:.4f}]" in said


def test_an_image_that_has_no_silhouette_is_counted_and_left_out(
    small_run: Path, colours: Path, tmp_path: Path
) -> None:
    import cv2

    for name, value in (("blue", 200), ("red", 60)):
        (tmp_path / "flat" / name).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "flat" / name / f"{name}.png"), np.full((16, 16, 3), value, np.uint8))
    found = tfvision.texture(small_run, data=tmp_path / "flat")
    row = next(row for row in found.rows if row["change"] == "silhouette")
    assert row["n"] == 0 and row["not_changed"] == 2 and row["accuracy"] is None
    assert "silhouette did not work on 2 of 2 images: no score" in found.describe() and found.written == ()


def test_what_makes_no_sense_is_refused(small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="one run or more"):
        tfvision.texture()
    with pytest.raises(UsageError, match="each once"):
        tfvision.texture(small_run, small_run)
    with pytest.raises(UsageError, match="limit: expected 1 or more"):
        tfvision.texture(small_run, limit=0)
    other = shutil.copytree(small_run, tmp_path / "other", ignore=shutil.ignore_patterns(".digests"))  # edited below
    text = (other / "splits.csv").read_text()
    (other / "splits.csv").write_text(text.replace(",test,", ",train,", 1))
    with pytest.raises(DataError, match="was tested on other images"):
        tfvision.texture(small_run, other)
    monkeypatch.setattr("tfvision.robustness.texture.LEAST_SIDE", 1000)
    with pytest.raises(UsageError, match="too small to be cut"):
        tfvision.texture(small_run)
    monkeypatch.setattr("tfvision.robustness.texture.has_boxes", lambda task: True)
    with pytest.raises(UsageError, match="finds boxes"):
        tfvision.texture(small_run)
