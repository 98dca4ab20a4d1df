"""The audit: each detector on small made images whose answer is known, the files it writes, the verb."""

import csv
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from test_duplicates import image_set, picture

from tfvision.audit.audit import Audit, audit_images
from tfvision.audit.blends import find_blends
from tfvision.audit.copies import choose_copies, find_conflicts, find_leaks
from tfvision.audit.deviations import deviations
from tfvision.audit.findings import PROBLEMS, Finding
from tfvision.audit.foreign import distance_scores, find_foreign
from tfvision.audit.kept import choose_kept
from tfvision.audit.labels import find_label_errors, out_of_fold_probabilities
from tfvision.audit.options import AuditConfig, ForeignOptions, LabelOptions, removed_problems
from tfvision.audit.statistics import blur_effect, describe_image, measure_quality
from tfvision.cli import main
from tfvision.data.copies.duplicates import Pair
from tfvision.data.sources.open import open_images


def found_in(audit: Audit, problem: str) -> list[str]:
    """Return the file names that a problem was found in."""
    return sorted(Path(audit.images.ids[f.index]).name for f in audit.findings if f.problem == problem)


@pytest.fixture(scope="module")
def poor(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """The audit, without a backbone, of twenty sound pictures and one of every damage and oddity."""
    folder = tmp_path_factory.mktemp("audit") / "data"
    gray = picture(50)[..., :1].repeat(3, axis=2)
    images = {f"sound/{i:02}.png": picture(i) for i in range(20)}
    images |= {
        "odd/gray.png": gray,
        "odd/constant.png": np.full((64, 64, 3), (90, 140, 200), np.uint8),
        "odd/dark.png": picture(51) // 8,
        "odd/bright.png": 255 - picture(52) // 9,
        "odd/blurred.png": cv2.GaussianBlur(picture(53), (0, 0), 6),
        "odd/huge.png": picture(54, 320),
        "odd/wide.png": np.ascontiguousarray(np.concatenate([picture(60 + i, 32) for i in range(6)], axis=1)),
    }
    image_set(folder, images)
    jpeg = cv2.imencode(".jpg", picture(55))[1].tobytes()
    (folder / "odd" / "jpeg.png").write_bytes(jpeg)
    (folder / "odd" / "truncated.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (folder / "odd" / "empty.jpg").write_bytes(b"")
    (folder / "odd" / "text.jpg").write_text("no image")
    return audit_images(open_images(folder), AuditConfig(weights="none"))


@pytest.mark.parametrize(
    ("problem", "names"),
    [
        ("unreadable", ["text.jpg"]),
        ("truncated", ["truncated.jpg"]),
        ("empty", ["empty.jpg"]),
        ("wrong_extension", ["jpeg.png"]),
        ("extreme_size", ["huge.png"]),
        ("extreme_aspect", ["wide.png"]),
        ("constant", ["constant.png"]),
        ("dark", ["dark.png"]),
        ("bright", ["bright.png"]),
        ("blurred", ["blurred.png"]),
        ("gray", ["gray.png"]),
        ("near_duplicate", []),
        ("blended", []),
    ],
)
def test_each_oddity_is_found_and_nothing_else(poor: Audit, problem: str, names: list[str]) -> None:
    assert found_in(poor, problem) == names


def test_what_cannot_be_used_is_left_out_and_the_rest_stays(poor: Audit) -> None:
    gone = {Path(poor.images.ids[i]).name for i in np.flatnonzero(~poor.kept)}
    assert gone == {"text.jpg", "truncated.jpg", "empty.jpg"}  # one colour is for the eye, as all that leaves doubt


def test_quality_in_closed_form() -> None:
    half = np.zeros((40, 40, 3), np.uint8)
    half[:, 20:] = 200
    quality = measure_quality(half)
    assert (quality.low, quality.high, quality.contrast) == (0, 200, 100) and not quality.has_colour
    assert np.isnan(blur_effect(np.full((20, 20), 7, np.uint8)))
    noise = np.random.default_rng(0).integers(0, 256, (128, 128), np.uint8)
    edge = cv2.GaussianBlur(half[..., 0], (0, 0), 6)
    assert blur_effect(noise) < 0.2 < 0.7 < blur_effect(edge)


def test_statistics_tell_colour_and_frequency_apart() -> None:
    ramp = np.tile(np.arange(64) * 4, (64, 1)).astype(np.uint8)
    wave = np.rint(127.5 + 100 * np.cos(2 * np.pi * 10 * np.arange(64) / 64)).astype(np.uint8)[None].repeat(64, axis=0)
    described = [describe_image(cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB)) for gray in (ramp, wave)]
    assert all(np.allclose(values[5:16], 0, atol=0.5) for values in described)  # a*, b* and chroma of gray
    assert np.argmax(described[0][16:24]) == 0  # below 1.5 cycles
    assert np.argmax(described[1][16:24]) == 4  # 8 to 12 cycles


def test_deviations_are_not_blunted_by_a_tenth_of_intruders() -> None:
    values = np.concatenate([np.random.default_rng(0).normal(5, 2, 900), np.full(100, 50.0)])
    assert deviations(values)[900] == pytest.approx((50 - 5) / 2, rel=0.2)
    assert (deviations(np.full(5, 3.0)) == 0).all() and deviations(np.array([np.nan, 1, 2, 3]))[0] == 0


def test_a_dense_cluster_of_intruders_is_far_from_many_neighbours() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(0, 1, (600, 8))
    values[:60] = 4 + generator.normal(0, 0.05, (60, 8))
    far = distance_scores(values, 8, 200, seed=0)
    near = distance_scores(values, 8, 10, seed=0)
    assert far[:60].min() > max(2.25, far[60:].max()) and near[:60].max() < 0  # each finds its like
    found = find_foreign(values, values, ForeignOptions(), seed=0)
    assert {finding.index for finding in found[:60]} == set(range(60)) and len(found) <= 66
    assert not find_foreign(values[60:80], None, ForeignOptions(), seed=0)


def test_a_picture_blended_into_several_images_is_found_and_copies_are_not() -> None:
    generator = np.random.default_rng(0)
    thumbnails = np.stack([cv2.cvtColor(picture(i, 32), cv2.COLOR_RGB2GRAY) for i in range(60)])
    intruder = cv2.cvtColor(picture(99, 32), cv2.COLOR_RGB2GRAY)
    clean = thumbnails.copy()
    for i in (3, 17, 40, 41):
        smooth = cv2.GaussianBlur(thumbnails[i], (0, 0), 3)
        thumbnails[i] = cv2.addWeighted(smooth, 0.5, intruder, 0.5, 0)
    found = find_blends(thumbnails, [], ForeignOptions(), seed=0)
    assert {finding.index for finding in found if finding.problem == "blended"} == {3, 17, 40, 41} and len(found) == 4
    assert all(finding.other in (3, 17, 40, 41) and finding.other != finding.index for finding in found)
    clean[[1, 2, 3]] = np.clip(clean[0] + generator.normal(0, 2, (3, 32, 32)), 0, 255)
    copies = [(i, j) for i in range(4) for j in range(i + 1, 4)]
    assert len(find_blends(clean, [], ForeignOptions(), seed=0)) == 4
    assert not find_blends(clean, copies, ForeignOptions(), seed=0)


@pytest.mark.parametrize("what", ["frame", "border", "bars", "corner"])
def test_a_frame_or_a_watermark_is_no_blend(what: str) -> None:
    thumbnails = np.stack([cv2.cvtColor(picture(i, 32), cv2.COLOR_RGB2GRAY) for i in range(60)])
    ornament = cv2.cvtColor(picture(99, 32), cv2.COLOR_RGB2GRAY)
    at = np.zeros((32, 32), bool)
    if what == "corner":
        at[22:29, 12:31] = True
    else:
        at[[*range(4), *range(28, 32)]] = True
        at[:, [*range(4), *range(28, 32)]] |= what != "bars"
    for i in (3, 17, 40, 41):
        thumbnails[i] = cv2.GaussianBlur(thumbnails[i], (0, 0), 3)
        thumbnails[i][at] = 255 if what == "border" else ornament[at]
    found = find_blends(thumbnails, [], ForeignOptions(), seed=0)
    assert bool(found) == (what != "corner") and {finding.problem for finding in found} <= {"overlaid"}
    assert {finding.index for finding in found} <= {3, 17, 40, 41}


def test_a_copy_of_a_framed_image_is_framed_too() -> None:
    """It agrees with its original all over, which says nothing about a blend."""
    thumbnails = np.stack([cv2.cvtColor(picture(i, 32), cv2.COLOR_RGB2GRAY) for i in range(60)])
    edge = np.ones((32, 32), bool)
    edge[4:28, 4:28] = False
    for i in (3, 17, 40, 41):
        thumbnails[i] = cv2.GaussianBlur(thumbnails[i], (0, 0), 3)
        thumbnails[i][edge] = cv2.cvtColor(picture(99, 32), cv2.COLOR_RGB2GRAY)[edge]
    copy = np.clip(thumbnails[3] + np.random.default_rng(0).normal(0, 6, (32, 32)), 0, 255).astype(np.uint8)
    for strength in range(0, 30, 3):  # somewhere the copy is below the threshold by itself
        noisy = np.clip(copy + np.random.default_rng(1).normal(0, strength, (32, 32)), 0, 255).astype(np.uint8)
        found = find_blends(np.concatenate([thumbnails, noisy[None]]), [(3, 60)], ForeignOptions(), seed=0)
        assert "blended" not in {finding.problem for finding in found}


def test_images_that_are_all_alike_are_not_blended() -> None:
    digits = open_images("digits")
    some = digits.select(np.arange(0, len(digits), 6))
    thumbnails = np.stack([cv2.resize(some.read(i)[..., 0], (32, 32)) for i in range(len(some))])
    assert len(find_blends(thumbnails, [], ForeignOptions(), seed=0)) <= 0.01 * len(some)


def test_tiny_images_are_no_near_copies_of_each_other() -> None:
    found = audit_images(open_images("digits"), AuditConfig(weights="none"))
    assert "near_duplicate" not in {finding.problem for finding in found.findings}
    assert found.kept.sum() > 1790
    assert any(note.startswith("of 1,797 images below 16 px only exact copies were looked for") for note in found.notes)


def test_flipped_labels_are_found_the_worst_first_and_copies_do_not_vouch() -> None:
    pytest.importorskip("cleanlab")
    generator = np.random.default_rng(0)
    labels = np.arange(200) % 2
    features = generator.normal(0, 0.3, (200, 6)) + labels[:, None]
    flipped = [10, 11, 50, 77]
    given = labels.copy()
    given[flipped] ^= 1
    groups = np.arange(200)
    features[11], groups[11] = features[77], groups[77]  # copies that are wrong alike
    found = out_of_fold_probabilities(features, given, groups, np.ones(200, bool), folds=5, seed=0)
    assert np.allclose(found.sum(axis=1), 1)
    errors = find_label_errors(given, found, ("no", "yes"), LabelOptions())
    assert {error.index for error in errors} == set(flipped)
    assert [e.score for e in errors] == sorted((e.score for e in errors), reverse=True)
    assert errors[0].note in ("no -> yes", "yes -> no")


def test_copies_under_two_labels_and_across_parts() -> None:
    pairs = (Pair(0, 1, 1.0, True), Pair(0, 2, 1.0, True), Pair(0, 3, 0.9, False), Pair(4, 5, 0.95, False))
    conflicts = find_conflicts(pairs, np.array([0, 0, 1, 0, 1, 0]), ("cat", "dog"))
    assert [(f.index, f.other, f.note) for f in conflicts] == [(2, 0, "dog, cat"), (5, 4, "cat, dog")]
    parts = np.array(["train", "test", "train", "validation", "", "test"])
    # 3 is a near copy of 0, so of its exact copies 1 and 2 too; 4 stands in no part.
    assert [(f.index, f.other) for f in find_leaks(pairs, parts)] == [(0, 1), (2, 1), (3, 1)]


def test_of_copies_one_stays_and_no_chain_takes_more() -> None:
    chain = (Pair(0, 1, 0.9, False), Pair(1, 2, 0.9, False))
    none, equal = np.zeros(3, bool), np.zeros(3)
    assert choose_copies(chain, none, equal).tolist() == [False, True, False]
    assert choose_copies(chain, none, np.array([0, 1, 0])).tolist() == [True, False, True]
    assert choose_copies(chain, np.array([True, False, False]), equal).tolist() == [False, False, True]


def test_of_two_labels_the_likely_one_stays_and_without_a_model_none(colours: Path) -> None:
    images = open_images(colours).select(np.arange(4))
    pairs = (Pair(0, 1, 1.0, True), Pair(2, 3, 1.0, True))
    conflict = (Finding(1, "conflicting_labels", 1.0, 0),)
    remove = removed_problems(AuditConfig().remove, PROBLEMS)
    assert choose_kept(images, conflict, pairs, None, remove).tolist() == [False, False, True, False]
    likely = np.array([0.1, 0.9, np.nan, np.nan])
    assert choose_kept(images, conflict, pairs, likely, remove).tolist() == [False, True, True, False]
    assert choose_kept(images, conflict, pairs, likely, []).all()


def test_the_verb_writes_three_files_and_train_takes_the_list(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    image_set(data, {f"{'ab'[i % 2]}/{i:02}.png": picture(i) for i in range(40)})
    (data / "b" / "copy.png").write_bytes((data / "a" / "00.png").read_bytes())
    (data / "a" / "broken.png").write_bytes(b"no image")
    monkeypatch.chdir(tmp_path)
    assert main(["audit", "--data", "data", "--weights", "none", "--output", "found"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"conflicting_labels +1 +left out", said) and "39 clean, 3 left out" in said
    assert "weights none: no backbone" in said and "tfvision train --data found/clean.csv" in said
    rows = list(csv.DictReader((tmp_path / "found" / "audit.csv").open()))
    assert {"id": "b/copy.png", "problem": "exact_duplicate", "score": "1", "other_id": "a/00.png", "note": ""} in rows
    page = (tmp_path / "found" / "audit.html").read_text()
    assert page.count("data:image/png;base64,") == 4 and "a/broken.png" in page and "http" not in page
    small = ["--backbone", "small_cnn", "--weights", "none", "--small-cnn.filters", "[4]"]
    assert main(["train", "--data", "found/clean.csv", "--dry-run", *small]) == 0
    assert "39 of 42 images" in capsys.readouterr().out
    assert sorted(path.name for path in data.rglob("*.png"))[-1] == "copy.png"  # nothing is deleted


def test_images_without_labels_are_audited_too(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    image_set(tmp_path / "data", {f"a/{i}.png": picture(i // 2) for i in range(6)})
    words = ["audit", "--data", str(tmp_path / "data" / "a"), "--labelled", "false", "--weights", "none"]
    assert main([*words, "--output", str(tmp_path / "found")]) == 0
    said = capsys.readouterr().out
    assert "3 clean, 3 left out" in said and "fewer than 30 images" in said and "tfvision train" not in said
    assert main([*words, "--output", str(tmp_path / "other"), "--on-bad", "skip"]) == 2  # it goes on anyway


def test_leaks_across_the_parts_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    images = image_set(tmp_path / "data", {f"{'ab'[i % 2]}/{i:02}.png": picture(i // 2) for i in range(20)})
    rows = [f"{image_id},{('train', 'test')[i < 3]}" for i, image_id in enumerate(sorted(images.ids))]
    (tmp_path / "splits.csv").write_text("\n".join(["id,part", *rows]))
    words = ["audit", "--data", str(tmp_path / "data"), "--weights", "none", "--splits", str(tmp_path / "splits.csv")]
    assert main([*words, "--output", str(tmp_path / "found")]) == 0
    found = list(csv.DictReader((tmp_path / "found" / "audit.csv").open()))
    # a/00, a/02, a/04 stand in the test, their copies b/01, b/03, b/05 in training.
    leaks = [(row["id"], row["other_id"]) for row in found if row["problem"] == "leak"]
    assert leaks == [("b/01.png", "a/00.png"), ("b/03.png", "a/02.png"), ("b/05.png", "a/04.png")]
    (tmp_path / "splits.csv").write_text("id,part\nnone.png,train\n")
    assert main([*words, "--output", str(tmp_path / "other")]) == 3
    assert "none.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--remove", "[forein]"], 2, "did you mean foreign"),
        (["--backbone", "mobilenetv2"], 2, "did you mean mobilenet_v2"),
        (["--weights", "no.h5"], 2, "no weights file"),
        (["--label.folds", "1"], 2, "expected 2 or more"),
        (["--duplicates.detial", "0.5"], 2, "did you mean --duplicates.detail"),
        (["--splits", "none.csv", "--weights", "none"], 3, "cannot read none.csv"),
        (["--data", "nowhere"], 3, "no such data"),
    ],
)
def test_mistakes_are_one_line(
    colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture, words: list[str], status: int, message: str
) -> None:
    assert (
        main(["audit", "--data", str(colours), "--output", str(tmp_path / "a"), "--weights", "none", *words]) == status
    )
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1 and not (tmp_path / "a").exists()


def test_an_existing_folder_is_refused_and_the_options_print(
    colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["audit", "--data", str(colours), "--output", str(tmp_path)]) == 2
    assert main(["audit", "--print_config", "--foreign.threshold", "3"]) == 0
    text = capsys.readouterr().out
    (tmp_path / "audit.yaml").write_text(text)
    assert main(["audit", "--config", str(tmp_path / "audit.yaml"), "--print_config"]) == 0
    assert capsys.readouterr().out == text and "threshold: 3.0" in text


def test_every_problem_that_is_removed_is_one() -> None:
    certain, likely = (removed_problems([word], PROBLEMS) for word in ("certain", "likely"))
    assert certain == removed_problems(AuditConfig().remove, PROBLEMS)
    assert set(certain) < set(likely) <= PROBLEMS.keys() and not {"foreign", "label_error"} & set(certain)
    assert removed_problems(["dark", "certain", "dark"], PROBLEMS) == ["dark", *certain]


@pytest.mark.real
@pytest.mark.slow
def test_contaminated_blood_cells_without_a_backbone(
    real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "benchmarks")
    from audit import contaminated, score

    path, truth = contaminated(real_data, tmp_path, 5)
    found = score(audit_images(open_images(path), AuditConfig(weights="none")).findings, truth)
    assert min(found["blended"].precision, found["blended"].recall) >= 0.9
    assert min(found["copy pairs"].precision, found["copy pairs"].recall) >= 0.93
