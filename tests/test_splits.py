"""Splits: exact shares, no leak, the same from any order, given splits kept."""

import numpy as np
import pytest

from tfvision.data.images.imageset import ImageSet
from tfvision.data.splits.split import split_images
from tfvision.data.splits.splits_file import describe_splits, read_splits
from tfvision.data.storage.directory import Directory
from tfvision.errors import DataError, UsageError


def fake(labels, *, groups=None, parts=None) -> ImageSet:
    ids = tuple(f"{i:05d}" for i in range(len(labels)))
    names = tuple(f"class{k}" for k in range(max(labels) + 1))
    groups = None if groups is None else np.array(groups)
    parts = None if parts is None else np.array(parts)
    return ImageSet(ids, ids, np.array(labels), names, Directory("/", only=[]), groups, parts)


def counts(images, parts, part):
    return np.bincount(images.labels[parts == part], minlength=len(images.class_names)).tolist()


def test_shares_are_exact_per_class():
    images = fake([0] * 100 + [1] * 50 + [2] * 3 + [3] * 14)
    parts = split_images(images, images.ids, seed=1).parts
    assert counts(images, parts, "train") == [80, 40, 1, 12]
    assert counts(images, parts, "validation") == [10, 5, 1, 1]
    assert counts(images, parts, "test") == [10, 5, 1, 1]


@pytest.mark.parametrize(("validation", "test"), [(0.0, 0.2), (0.2, 0.0), (0.3, 0.4), (0.05, 0.9)])
def test_other_shares(validation, test):
    images = fake([0] * 40 + [1] * 60)
    parts = split_images(images, images.ids, validation=validation, test=test, seed=0).parts
    assert (parts == "validation").sum() == round(100 * validation) and (parts == "test").sum() == round(100 * test)


def test_seed_and_order():
    images = fake([0, 1] * 50)
    first = split_images(images, images.ids, seed=3).parts
    np.testing.assert_array_equal(first, split_images(images, images.ids, seed=3).parts)
    assert (first != split_images(images, images.ids, seed=4).parts).any()
    order = np.random.default_rng(0).permutation(100)
    shuffled = images.select(order)
    np.testing.assert_array_equal(split_images(shuffled, shuffled.ids, seed=3).parts, first[order])


def together(keys, parts):
    return all(len(set(parts[np.array(keys) == key])) == 1 for key in set(keys))


@pytest.mark.parametrize("seed", range(5))
def test_copies_never_stand_in_two_parts(seed):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, 600)
    hashes = tuple(f"h{i}" for i in generator.integers(0, 350, 600))
    images = fake(labels)
    parts = split_images(images, hashes, seed=seed).parts
    assert together(hashes, parts)
    for part, share in (("train", 0.8), ("validation", 0.1), ("test", 0.1)):
        assert np.abs(np.array(counts(images, parts, part)) - share * np.bincount(labels)).max() <= 3


@pytest.mark.parametrize("seed", range(5))
def test_groups_stay_together_and_a_copy_in_another_group_is_left_out(seed):
    generator = np.random.default_rng(seed)
    labels = generator.choice(3, 500, p=[0.6, 0.3, 0.1])
    groups = [f"g{i}" for i in generator.integers(0, 80, 500)]
    hashes = [f"h{i}" for i in range(500)]
    hashes[7] = hashes[400]
    images = fake(labels, groups=groups)
    split = split_images(images, tuple(hashes), seed=seed)
    parts, kept = split.parts, split.parts != ""
    assert together(np.array(groups)[kept], parts[kept])
    assert np.flatnonzero(~kept).tolist() == [400] and "copies of images in another group" in split.notes[0]
    for part in ("train", "validation", "test"):
        assert min(counts(images, parts, part)) >= 1
    assert 0.7 < (parts == "train").mean() < 0.88


def test_three_large_groups_reach_every_part():
    images = fake([0, 1] * 30, groups=[f"g{i // 20}" for i in range(60)])
    assert set(split_images(images, images.ids, seed=0).parts) == {"train", "validation", "test"}


def test_validation_may_be_drawn_from_the_groups_of_training_but_never_from_those_of_the_test():
    images = fake([0, 1] * 60, groups=[f"g{i // 40}" for i in range(120)])
    options = {"validation": 0.2, "test": 0.3, "group_validation": False}
    parts = split_images(images, images.ids, **options, seed=0).parts
    tested = set(images.groups[parts == "test"])
    assert len(tested) == 1 and not tested & set(images.groups[parts != "test"])
    assert set(images.groups[parts == "train"]) == set(images.groups[parts == "validation"])
    # Of the images that are not the test, the share that validation has beside training: 0.2 / 0.7.
    assert counts(images, parts, "validation") == [11, 11]

    given = fake([0, 1] * 60, groups=images.groups.tolist(), parts=["train"] * 80 + ["test"] * 40)
    parts = split_images(given, given.ids, validation=0.25, group_validation=False, seed=0).parts
    assert counts(given, parts, "validation") == [10, 10] and set(parts[80:]) == {"test"}
    hashes = ("same",) * 30 + images.ids[30:]
    parts = split_images(images, hashes, **options, seed=0).parts
    assert together(hashes, parts)


@pytest.mark.parametrize(
    ("labels", "hashes", "message"),
    [
        ([0] * 5 + [1] * 2, None, r"fewer than 3 images: class1 \(2\)"),
        ([0] * 9 + [1] * 3, ["a"] * 3, "class1 cannot stand in"),
    ],
)
def test_too_few(labels, hashes, message):
    images = fake(labels)
    hashes = images.ids if hashes is None else (*images.ids[:9], *hashes)
    with pytest.raises(DataError, match=message):
        split_images(images, hashes, seed=0)


@pytest.mark.parametrize("shares", [(0.5, 0.5), (-0.1, 0.1), (1.0, 0.0), (np.nan, 0.1), (0.1, np.nan)])
def test_impossible_shares(shares):
    images = fake([0, 1] * 5)
    with pytest.raises(UsageError, match="sum below 1"):
        split_images(images, images.ids, validation=shares[0], test=shares[1], seed=0)


def test_a_class_whose_images_are_copies_in_another_group_is_refused():
    images = fake([0] * 9 + [1] * 3, groups=[*"abcabcabc", *"xyz"])
    hashes = (*images.ids[:9], *images.ids[:3])
    with pytest.raises(DataError, match=r"fewer than 3 images: class1 \(0\), without exact copies .* another group"):
        split_images(images, hashes, seed=0)


def test_given_parts_are_kept():
    given = ["train"] * 6 + ["validation"] * 2 + ["test"] * 2
    images = fake([0, 1] * 5, parts=given)
    split = split_images(images, images.ids, seed=0)
    assert split.parts.tolist() == given and split.notes == ()


@pytest.mark.parametrize(("held", "note"), [("test", "no validation part"), ("validation", "no test part")])
def test_missing_part_is_cut_from_training(held, note):
    images = fake([0, 1] * 50, parts=["train"] * 80 + [held] * 20)
    split = split_images(images, images.ids, seed=0)
    assert split.parts[80:].tolist() == ["test"] * 20 and note in split.notes[0]
    assert counts(images, split.parts, "validation") == [4, 4] and counts(images, split.parts, "train") == [36, 36]


def test_copies_across_given_parts_are_left_out():
    images = fake([0, 1] * 6, parts=["train"] * 6 + ["validation"] * 3 + ["test"] * 3)
    hashes = list(images.ids)
    hashes[0], hashes[6] = hashes[8], hashes[11]
    split = split_images(images, tuple(hashes), seed=0)
    assert split.parts.tolist() == ["", *["train"] * 5, "", *["validation"] * 2, *["test"] * 3]
    assert split.notes[0].startswith("2 images are exact copies")


def test_given_split_with_unlearned_class_and_torn_groups():
    with pytest.raises(DataError, match="no training images of class2"):
        images = fake([0, 1, 2, 0], parts=["train", "train", "test", "validation"])
        split_images(images, images.ids, seed=0)
    images = fake([0, 1, 0, 1], parts=["train", "train", "test", "validation"], groups=["p", "q", "p", "r"])
    assert split_images(images, images.ids, seed=0).notes == ("1 groups stand in more than one given part: p",)


def test_splits_file(tmp_path):
    images = fake([0, 1] * 10)
    parts = split_images(images, images.ids, seed=0).parts
    (tmp_path / "splits.csv").write_text(describe_splits(images, parts, images.ids))
    lines = (tmp_path / "splits.csv").read_text().splitlines()
    assert lines[0] == "id,part,label,hash" and lines[1] == f"00000,{parts[0]},class0,00000" and len(lines) == 21
    np.testing.assert_array_equal(read_splits(tmp_path / "splits.csv", images, images.ids), parts)
    order = np.arange(20)[::-1]
    turned = images.select(order)
    np.testing.assert_array_equal(read_splits(tmp_path / "splits.csv", turned, turned.ids), parts[order])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,part\n00000,train\n", "no row for images of the data, 1 of them: 00001"),
        ("id,part\n00000,train\n00001,test\nx,test\n", "ids that the data does not have, 1 of them: x"),
        ("id,part\n00000,train\n00001,dev\n", "has the part 'dev'"),
        ("id,part\n00000,train\n00000,test\n00001,test\n", "more than once: 00000"),
        ("name,fold\n00000,1\n", "expected a CSV with the columns id and part"),
        ("id,part\n00000,train\n00001,test\n", "no training images of class1"),
    ],
)
def test_splits_file_of_other_data(tmp_path, text, message):
    (tmp_path / "splits.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_splits(tmp_path / "splits.csv", fake([0, 1]), ("a", "b"))


def test_splits_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*No such file"):
        read_splits(tmp_path / "none.csv", fake([0, 1]), ("a", "b"))


def test_splits_file_that_tears_exact_copies_apart(tmp_path):
    images = fake([0, 1, 0])
    (tmp_path / "splits.csv").write_text("id,part\n00000,train\n00001,train\n00002,test\n")
    with pytest.raises(DataError, match=r"exact copies in two parts: 00000 \(train\) and 00002 \(test\)"):
        read_splits(tmp_path / "splits.csv", images, ("same", "other", "same"))
    (tmp_path / "splits.csv").write_text("id,part\n00000,train\n00001,train\n00002,\n")
    assert read_splits(tmp_path / "splits.csv", images, ("same", "other", "same")).tolist() == ["train", "train", ""]


def test_given_split_whose_training_images_are_all_copies_of_the_test():
    images = fake([0, 1, 0, 1], parts=["train", "train", "test", "test"])
    with pytest.raises(DataError, match="no training images of class0, class1"):
        split_images(images, ("a", "b", "a", "b"), seed=0)


def test_splits_file_that_tears_groups_apart(tmp_path):
    (tmp_path / "splits.csv").write_text("id,part\n00000,train\n00001,train\n00002,test\n00003,\n")
    hashes, groups = ("a", "b", "c", "d"), ["p", "q", "p", "q"]
    with pytest.raises(DataError, match="1 groups in two parts: p; leave all but one"):
        read_splits(tmp_path / "splits.csv", fake([0, 1, 0, 1], groups=groups), hashes)
    read_splits(tmp_path / "splits.csv", fake([0, 1, 0, 1], groups=["p", "q", "r", "q"]), hashes)
    (tmp_path / "shared.csv").write_text("id,part\n00000,train\n00001,train\n00002,validation\n00003,\n")
    with pytest.raises(DataError, match="1 groups in two parts: p"):
        read_splits(tmp_path / "shared.csv", fake([0, 1, 0, 1], groups=groups), hashes)
    read_splits(tmp_path / "shared.csv", fake([0, 1, 0, 1], groups=groups), hashes, group_validation=False)
    with pytest.raises(DataError, match="1 groups in two parts: p"):
        read_splits(tmp_path / "splits.csv", fake([0, 1, 0, 1], groups=groups), hashes, group_validation=False)
    torn_by_the_data = fake([0, 1, 0, 1], groups=groups, parts=["train", "train", "test", "test"])
    read_splits(tmp_path / "splits.csv", torn_by_the_data, hashes)


def test_validation_cut_from_training_leaves_out_copies_in_another_group():
    groups = [f"g{i // 4}" for i in range(40)] + ["t"] * 10
    images = fake([0, 1] * 25, groups=groups, parts=["train"] * 40 + ["test"] * 10)
    hashes = list(images.ids)
    for i in range(0, 36, 4):
        hashes[i + 4] = hashes[0]  # without care all groups would be one
    split = split_images(images, tuple(hashes), seed=0)
    assert np.flatnonzero(split.parts == "").tolist() == list(range(4, 40, 4))
    assert together(np.array(groups)[split.parts != ""], split.parts[split.parts != ""])
    assert "9 images are exact copies of images in another group" in split.notes[1]


def test_given_parts_are_ignored_on_request():
    images = fake([0, 1] * 50, parts=["train"] * 60 + ["validation"] * 40)
    kept = split_images(images, images.ids, seed=0)
    assert set(kept.parts[60:]) == {"test"}
    drawn = split_images(images, images.ids, given="ignore", seed=0)
    np.testing.assert_array_equal(drawn.parts, split_images(fake([0, 1] * 50), images.ids, seed=0).parts)
    assert "ignored" in drawn.notes[0] and split_images(fake([0, 1] * 50), images.ids, seed=0).notes == ()
    with pytest.raises(UsageError, match="did you mean keep"):
        split_images(images, images.ids, given="kep", seed=0)
