"""Copies: hashes found near one another, pairs verified by pixels, never concluded from two others."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import small_config
from hypothesis import given
from hypothesis import strategies as st

from tfvision.cli import main
from tfvision.data.copies import hashing
from tfvision.data.copies.components import components, links_of_equal
from tfvision.data.copies.duplicates import Pair, compare_pair, find_duplicates, hash_images, tie_copies
from tfvision.data.copies.hashing import near_pairs, perceptual_hashes
from tfvision.data.images.imageset import ImageSet
from tfvision.data.images.scan import scan
from tfvision.data.options import DuplicateOptions, SplitOptions
from tfvision.data.sources.open import open_images
from tfvision.data.splits.stratify import tied_units
from tfvision.experiment.preparation import prepare_images


def picture(seed: int, side: int = 64) -> np.ndarray:
    """Return a picture with coarse and fine structure, no other seed's like."""
    generator = np.random.default_rng(seed)
    coarse = cv2.resize(generator.integers(0, 256, (6, 6, 3), np.uint8), (side, side), interpolation=cv2.INTER_CUBIC)
    fine = cv2.GaussianBlur(generator.normal(0, 40, (side, side)), (0, 0), 0.8)[..., None]
    return np.clip(coarse + fine, 0, 255).astype(np.uint8)


def image_set(folder: Path, pixels: dict[str, np.ndarray]) -> ImageSet:
    """Write pictures as PNG, all of one class, and open them."""
    for name, image in pixels.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), image[..., ::-1])
    return open_images(folder)


def pairs_of(images: ImageSet, **options: float) -> dict[tuple[str, str], Pair]:
    """Return the copies that are found, by the names of their files."""
    found = find_duplicates(images, scan(images).hashes, hash_images(images), DuplicateOptions(**options))
    names = [Path(image_id).stem for image_id in images.ids]
    return {(names[pair.first], names[pair.second]): pair for pair in found}


@pytest.mark.parametrize("distance", [0, 3, 10, 12])
def test_near_pairs_are_those_that_comparing_all_finds(distance: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "_BLOCK", 7)  # many blocks, so that none may lose its border
    generator = np.random.default_rng(0)
    base = generator.integers(0, 2**64, 60, np.uint64)
    flips = np.array([sum(1 << int(b) for b in generator.permutation(64)[: i % 16]) for i in range(60)], np.uint64)
    hashes, others = np.concatenate([base, base ^ flips]), np.concatenate([base, base])
    bits = [[int(a ^ b).bit_count() for b in others] for a in hashes]
    expected = [(i, j) for i in range(120) for j in range(i + 1, 120) if min(bits[i][j], bits[j][i]) <= distance]
    found = near_pairs(hashes, others, distance)
    assert found.tolist() == [list(pair) for pair in expected] and len(expected) >= 4


def test_a_mirrored_image_has_the_mirrored_hash() -> None:
    image = picture(0)
    own = perceptual_hashes(image)
    for turn, turned in ((1, image[:, ::-1]), (2, image[::-1]), (3, image[::-1, ::-1])):
        other = perceptual_hashes(np.ascontiguousarray(turned))
        assert int(own[turn] ^ other[0]).bit_count() <= 2  # the resize rounds
    assert int(own[0] ^ perceptual_hashes(picture(1))[0]).bit_count() > 16


def test_a_pixel_of_a_small_image_is_a_shift_that_is_hashed() -> None:
    image = picture(0, 32)
    own = perceptual_hashes(image)
    for shift in ((1, 0), (0, 1), (1, 1), (-1, 1), (-1, 0), (-1, -1)):
        other = perceptual_hashes(np.roll(image, shift, (0, 1)))
        both = [*(own[4:] ^ other[0]), *(other[4:] ^ own[0])]
        assert min(int(bits).bit_count() for bits in both) == 0


def test_compare_finds_the_shift_and_measures_what_is_left() -> None:
    image = picture(0)
    shifted = np.roll(image, (1, -2), (0, 1))
    likeness = compare_pair(image, shifted, shift=2)
    assert likeness.correlation == pytest.approx(1) and likeness.residual == 0
    assert compare_pair(image, shifted, shift=1).residual > 10
    brighter = compare_pair(image, np.minimum(image, 250) + np.uint8(5), shift=2)
    assert brighter.residual == pytest.approx(5, abs=0.5) and brighter.correlation > 0.99
    assert not compare_pair(image, picture(1), shift=2).is_copy(DuplicateOptions())
    assert compare_pair(image, image[:, :50], shift=2).residual == 255  # another aspect


def test_copies_of_every_kind_are_found_and_nothing_else(tmp_path: Path) -> None:
    image = picture(0)
    large = picture(0, 96)
    jpeg = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])[1], cv2.IMREAD_COLOR)
    pixels = {
        "a/a.png": image,
        "a/b_jpeg.png": jpeg,
        "a/c_shifted.png": np.roll(image, (1, 1), (0, 1)),
        "a/d_mirrored.png": image[:, ::-1],
        "a/e_same.png": image,
        "a/f_large.png": large,
        "a/g_small.png": cv2.resize(large, (48, 48), interpolation=cv2.INTER_AREA),
        **{f"b/other_{i}.png": picture(10 + i) for i in range(5)},
    }
    found = pairs_of(image_set(tmp_path, pixels))
    assert found[("a", "e_same")].exact and found[("a", "e_same")].score == 1
    assert found[("a", "d_mirrored")].turned == "mirrored"
    assert {("a", "b_jpeg"), ("a", "c_shifted"), ("f_large", "g_small")} <= found.keys()
    assert not any("other" in name or first == "e_same" for first, name in found)  # only the first of exact copies
    assert {name[:1] for pair in found for name in pair} == set("abcdefg")
    assert not any(pair.turned for pair in pairs_of(open_images(tmp_path), flips=False).values())


def test_no_pair_is_concluded_from_two_others(tmp_path: Path) -> None:
    image = picture(0, 96)
    pixels = {f"a/{name}.png": np.roll(image, step, 1) for name, step in (("a", 0), ("b", 2), ("c", 4))}
    images = image_set(tmp_path, {**pixels, "b/z.png": picture(1, 96)})
    found = pairs_of(images)
    assert found.keys() == {("a", "b"), ("b", "c")}
    assert components(4, [(p.first, p.second) for p in found.values()]).tolist() == [0, 0, 0, 3]


def by_flooding(count: int, links: list[tuple[int, int]]) -> list[int]:
    """Return the least index that each index is linked to, by lowering numbers until none can be lowered."""
    least = list(range(count))
    for _ in range(count):
        for i, j in links:
            least[i] = least[j] = min(least[i], least[j])
    return least


@given(st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))))
def test_components_are_numbered_by_their_least_index(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    found = components(*drawn)
    assert found.dtype == np.int64 and found.tolist() == by_flooding(*drawn)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("uvwxyz")), min_size=1))
def test_units_are_tied_by_hash_or_group_and_numbered_in_order(keys: list[tuple[str, str]]) -> None:
    hashes, groups = map(list, zip(*keys, strict=True))
    equal = [(i, j) for i in range(len(keys)) for j in range(i) if hashes[i] == hashes[j] or groups[i] == groups[j]]
    firsts = by_flooding(len(keys), equal)
    expected = [sorted(set(firsts)).index(first) for first in firsts]
    assert tied_units(hashes, np.array(groups)).tolist() == expected
    assert tied_units(hashes, None).tolist() == [sorted(set(hashes), key=hashes.index).index(key) for key in hashes]


def test_no_images_have_no_components() -> None:
    assert components(0, []).tolist() == [] and links_of_equal([]) == []


def test_tied_hashes_are_equal_where_images_are_copies() -> None:
    pairs = (Pair(0, 2, 1.0, True), Pair(2, 3, 0.98, False))
    assert tie_copies(range(5), ("x", "y", "x", "z", "w"), pairs) == ("x", "y", "x", "x", "w")


def test_near_duplicates_stay_in_one_part_if_asked(tmp_path: Path) -> None:
    pixels = {}
    for number in range(40):
        image = picture(number)
        pixels[f"{'ab'[number % 2]}/{number:02}.png"] = image
        pixels[f"{'ab'[number % 2]}/{number:02}_copy.png"] = np.roll(image, 1, 0)
    images = image_set(tmp_path / "data", pixels)
    torn = []
    for grouped in (False, True):
        config = small_config(
            tmp_path / "data", tmp_path / "run", split=SplitOptions(0.2, 0.2, group_duplicates=grouped)
        )
        data = prepare_images(images, config)
        part = dict(zip((Path(i).stem for i in images.ids), data.split, strict=True))
        torn.append(sum(part[f"{n:02}"] != part[f"{n:02}_copy"] for n in range(40)))
        assert len(set(data.hashes)) == 80  # splits.csv keeps the content's own
    assert torn[0] > 10 and torn[1] == 0
    assert "40 pairs of near-duplicates" in data.notes[-1]


def test_the_flag_has_its_plain_name(capsys: pytest.CaptureFixture) -> None:
    for flag in ("--group-duplicates", "--split.group-duplicates"):
        assert main(["train", "--print_config", flag, "true"]) == 0
        assert "group_duplicates: true" in capsys.readouterr().out
