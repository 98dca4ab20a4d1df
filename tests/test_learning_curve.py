"""Learning curves over data: nested subsets, power laws and their intervals, and whole curves that are interrupted."""

import csv
import json
from dataclasses import replace
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from test_localize import write_shapes
from test_models import stock

import tfvision
from tfvision.cli import main
from tfvision.data.images.imageset import ImageSet
from tfvision.data.splits.nested import NestedSubsets
from tfvision.errors import DataError, UsageError
from tfvision.learning_curve.curve import LearningCurve, curve_of
from tfvision.learning_curve.noise import mean_deviation, noise_share, score_variance
from tfvision.learning_curve.plan import CurvePlan, read_plan
from tfvision.learning_curve.points import MeasuredPoint
from tfvision.learning_curve.power_law import fit_power_laws
from tfvision.runs.folder import open_run


def fake(labels: list[int], groups: list[str] | None = None) -> ImageSet:
    ids = tuple(f"{number:04}" for number in range(len(labels)))
    names = ("a", "b", "c")[: max(labels) + 1]
    return ImageSet(ids, ids, np.array(labels), names, None, None if groups is None else np.array(groups))


def test_subsets_are_nested_and_stratified_and_do_not_depend_on_the_order() -> None:
    images = fake([0] * 200 + [1] * 100 + [2] * 10)
    subsets = NestedSubsets(images, images.ids, 3)
    taken = [subsets.take(share) for share in (0.1, 0.2, 0.4, 0.8, 1.0)]
    for chosen, share in zip(taken, (0.1, 0.2, 0.4, 0.8, 1.0), strict=True):
        assert chosen.sum() == round(310 * share)
        counts = np.bincount(images.labels[chosen], minlength=3)
        np.testing.assert_allclose(counts, np.array([200, 100, 10]) * share, atol=1.01)
    assert all((smaller <= larger).all() for smaller, larger in pairwise(taken))
    turned = images.select(np.arange(310)[::-1])
    assert np.array_equal(NestedSubsets(turned, images.ids[::-1], 3).take(0.2)[::-1], taken[1])
    assert not np.array_equal(NestedSubsets(images, images.ids, 4).take(0.2), taken[1])


def test_copies_and_groups_are_taken_together_whatever_their_size() -> None:
    generator = np.random.default_rng(0)
    sizes = generator.integers(1, 12, 80)
    groups = [f"g{number}" for number, size in enumerate(sizes) for _ in range(size)]
    images = fake(generator.integers(0, 3, len(groups)).tolist(), groups)
    hashes = list(images.ids)
    hashes[0] = hashes[-1] = "same"  # ties the first group to the last
    mean_sizes = []
    for seed in range(20):
        subsets = NestedSubsets(images, hashes, seed)
        for share in (0.1, 0.3, 0.7):
            chosen = subsets.take(share)
            assert all(len(set(chosen[images.groups == group])) == 1 for group in set(groups))
            assert chosen[0] == chosen[-1]
            assert abs(chosen.sum() - share * len(images)) <= 12
        mean_sizes.append(chosen.sum() / len(set(images.groups[chosen])))
    assert np.mean(mean_sizes) == pytest.approx(len(images) / 80, rel=0.1)  # small groups are not preferred


def test_every_class_is_in_the_smallest_subset() -> None:
    images = fake([0] * 500 + [1] * 2)
    for seed in range(10):
        assert set(images.labels[NestedSubsets(images, images.ids, seed).take(0.02)]) == {0, 1}
    assert NestedSubsets(images, images.ids, 0).take(0.0001).sum() == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"shares": "0.5,1"}, "three or more shares"),
        ({"shares": "a,b,c"}, "three or more shares"),
        ({"shares": "0.1,0.1,1"}, "one of them twice"),
        ({"shares": [0.1, 0.5, 2]}, "each above 0 to 1; got 2"),
        ({"shares": "0,0.5,1"}, "each above 0 to 1; got 0"),
        ({"repeats": 0}, "from 1 to 100, got 0"),
        ({"forecast": 1}, "more than the largest share, 1"),
        ({"forecast": 40}, "at most 10 times"),
        ({"forecast": float("nan")}, "more than the largest share"),
    ],
)
def test_plans_that_are_refused(given: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_plan(**{"shares": "0.1,0.5,1", "repeats": 5, "forecast": 2.0, **given})


def test_small_shares_are_repeated_as_long_as_that_costs_no_more_than_all_images() -> None:
    plan = read_plan("1,0.1,0.2,0.4,0.8", 5, 2.0)
    assert [plan.repeats_of(share) for share in plan.shares] == [5, 5, 2, 1, 1]
    assert plan.trainings[:2] == [(1.0, 1), (0.8, 1)] and len(plan.trainings) == 14
    assert read_plan([0.1, 0.2, 0.4], 20, 1).repeats_of(0.1) == 10


def test_a_power_law_without_noise_is_found_again() -> None:
    images = np.array([100, 200, 400, 800, 1600.0])
    for floor, scale, exponent in ((0.05, 3.0, 0.5), (0.0, 0.8, 0.25), (0.02, 40.0, 1.1)):
        laws = fit_power_laws(images, floor + scale * images**-exponent, np.full(5, 1e-4))
        low, middle, high = laws.quantiles(3200, 0.0, (0.025, 0.5, 0.975))
        true = floor + scale * 3200**-exponent
        assert low <= true <= high and middle == pytest.approx(true, abs=1e-3)
        assert laws.likeliest[2] == pytest.approx(exponent, rel=0.15)
        np.testing.assert_allclose(laws.errors(400).min(), floor + scale * 400**-exponent, atol=1e-3)
        assert laws.weights.sum() == pytest.approx(1) and (laws.floor >= 0).all()


def test_the_interval_holds_what_is_measured_next() -> None:
    """95 of 100 new measurements, of curves that are power laws; and the noise alone makes most of its width."""
    generator = np.random.default_rng(0)
    images, noise, held, widths = np.array([100, 200, 400.0]), np.array([0.004, 0.004, 0.006]), 0, []
    for draw in range(60):
        floor, exponent = (0.0, 0.05, 0.1)[draw % 3], (0.25, 0.5, 0.9)[draw // 20]

        def error(count: float, floor: float = floor, exponent: float = exponent) -> float:
            return floor + 0.2 * (count / 100) ** -exponent

        laws = fit_power_laws(images, np.array([error(n) for n in images]) + noise * generator.normal(size=3), noise)
        low, high = laws.quantiles(1000, 0.008, (0.025, 0.975))
        held += low <= error(1000) + 0.008 * generator.normal() <= high
        widths.append(high - low)
    assert held >= 54 and np.mean(widths) < 2 * 2 * 1.96 * 0.008


def test_an_error_of_zero_and_one_that_rises_are_fitted() -> None:
    zero = fit_power_laws(np.array([10, 20, 40.0]), np.zeros(3), np.full(3, 0.01))
    low, high = zero.quantiles(80, 0.01, (0.025, 0.975))
    assert low == 0 and high < 0.05
    rising = fit_power_laws(np.array([10, 20, 40.0]), np.array([0.1, 0.2, 0.4]), np.full(3, 0.01))
    assert np.isfinite(rising.weights).all() and rising.quantiles(80, 0.0, (0.5,))[0] > 0.1


def measured(errors: dict[float, float], count: int = 400, noise: float = 0.0, seed: int = 0) -> LearningCurve:
    """A curve of 1,000 training images whose errors are given by share; `noise` of the answers change at random."""
    generator, points = np.random.default_rng(seed), []
    plan = CurvePlan(tuple(errors))
    hardness = generator.random(count)
    for share, error in errors.items():
        for repeat in range(1, plan.repeats_of(share) + 1):
            wrong = hardness < error
            changed = generator.random(count) < noise
            values = np.where(changed, generator.random(count) >= error, ~wrong).astype(float)
            points.append(MeasuredPoint(share, repeat, round(1000 * share), values))
    return LearningCurve(Path("curve"), "test", "accuracy", tuple(points), 1000, 2.0, "as `train` would")


def power(floor: float, scale: float, exponent: float) -> dict[float, float]:
    return {share: floor + scale * share**-exponent for share in (0.1, 0.2, 0.4, 0.8, 1.0)}


def test_a_curve_that_rises_says_what_twice_the_images_bring() -> None:
    curve = measured(power(0.02, 0.08, 0.6), count=4000, noise=0.1)
    true = 1 - (0.02 + 0.08 * 2**-0.6)
    further = curve.further
    assert further.images == 2000 and further.low < true < further.high and curve.gains and curve.rises
    assert curve.gain.low < 0.08 * (1 - 2**-0.6) < curve.gain.high
    assert curve.sentence.startswith("twice the images would raise test accuracy from about 0.")
    assert f"with 1,000 to about {further.score:.3f} with 2,000, by {curve.gain.value:.3f} [" in curve.sentence
    assert f"2,000 images would score {further.low:.3f} to {further.high:.3f} (95 %)" in curve.caveat
    assert curve.forecast(4000).score > further.score > curve.now.score
    assert "the same 4,000 test images" in curve.caveat and f"up to {curve.margin:.3f}" in curve.caveat
    assert "2,000" in curve.describe() and "forecast" in curve.describe()


@pytest.mark.parametrize("seed", range(5))
def test_a_flat_curve_says_that_no_gain_is_to_be_seen(seed: int) -> None:
    curve = measured(dict.fromkeys((0.1, 0.2, 0.4, 0.8, 1.0), 0.2), noise=0.3, seed=seed)
    assert not curve.gains and curve.sentence.startswith("twice the images: no gain to be seen beyond the noise")
    assert curve.gain.low < 1 / 400
    assert curve.further.high - curve.further.low < 0.12


def test_a_gain_below_one_test_image_cannot_be_seen() -> None:
    curve = measured(power(0.02, 0.003, 1.4), count=400, noise=0.05)
    assert curve.rises and not curve.gains
    assert "beyond the noise of 400 test images, one of which is 0.003: test accuracy may go from" in curve.sentence


def test_points_off_any_power_law_make_the_interval_wider() -> None:
    law = measured(power(0.02, 0.08, 0.6), count=4000, noise=0.1)
    assert law.scatter == 1 and "wider" not in law.caveat
    stairs = measured({0.1: 0.30, 0.2: 0.29, 0.4: 0.28, 0.8: 0.12, 1.0: 0.11}, count=4000, noise=0.1)
    assert stairs.scatter > 3 and f"the points lie {stairs.scatter:.1f} times as far from a power law" in stairs.caveat
    assert stairs.further.high - stairs.further.low > 3 * (law.further.high - law.further.low)


def test_the_curve_through_some_shares_forecasts_the_others() -> None:
    curve = measured(power(0.02, 0.08, 0.6), count=2000, noise=0.1)
    known = curve_of(curve, (0.1, 0.2, 0.4), multiple=1.0)
    assert {point.share for point in known.points} == {0.1, 0.2, 0.4} and known.asked == "all the images"
    assert known.further.images == 1000 and known.further.low < curve.now.score < known.further.high


def test_noise_is_found_from_repeats() -> None:
    """Independent answers of one chance each have the whole binomial variance; equal ones have none."""
    generator = np.random.default_rng(0)
    independent = [MeasuredPoint(0.01, r, 10, (generator.random(500) < 0.8).astype(float)) for r in range(1, 41)]
    assert noise_share(independent) == pytest.approx(1, abs=0.25)
    assert mean_deviation(independent, 1.0) == pytest.approx((0.16 / 500 * (0.01 + 0.99 / 40)) ** 0.5, rel=0.1)
    same = [replace(independent[0], repeat=r) for r in (1, 2, 3)]
    assert noise_share(same) == 0.1
    assert noise_share(independent[:1]) == noise_share([replace(independent[0], share=1.0)] * 2) == 0.5
    assert score_variance(np.ones(50)) > 0
    assert score_variance((np.arange(1000) < 900).astype(float)) == pytest.approx(0.09 / 1000, rel=0.02)


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small backbone, as a file: it is frozen."""
    path = tmp_path_factory.mktemp("weights") / "stand_in.weights.h5"
    stock("mobilenet_025", 32).save_weights(path)
    return path


def words(colours: Path, stand_in: Path, output: Path) -> list[str]:
    given = ["learning-curve", str(colours), "--backbone", "mobilenet_025", "--image-size", "32", "--seed", "3"]
    return [*given, "--weights", str(stand_in), "--shares", "0.2,0.5,1", "--repeats", "2", "--output", str(output)]


@pytest.mark.slow
def test_a_curve_that_was_interrupted_goes_on_and_ends_as_if_it_had_not_been(
    colours: Path, stand_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    from tfvision.training.features.store import clear_stores, list_stores

    clear_stores()
    assert main(words(colours, stand_in, tmp_path / "whole")) == 0
    said = capsys.readouterr().out
    assert "the head alone, on features of the frozen backbone (preset fast, the default of this verb)" in said
    assert "5 trainings on 10 (x2), 24 (x2), 48 of 48 training images; all are scored on the same 6 test images" in said
    assert [store.rows for store in list_stores()] == [60]  # the frozen part saw each image once

    measuring = import_module("tfvision.learning_curve.measuring")
    answers, done = measuring.answers_in_memory, []

    def until_the_third(*given: object) -> object:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(answers(*given))
        return done[-1]

    with monkeypatch.context() as patch:
        patch.setattr(measuring, "answers_in_memory", until_the_third)
        assert main(words(colours, stand_in, tmp_path / "part")) == 130
    error = capsys.readouterr().err
    assert "all finished trainings are saved: go on with the same options of `tfvision learning-curve`" in error
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "part/points").glob("*.csv")}
    assert len(kept) == 2
    next(iter(kept)).write_text("damaged")  # a damaged one is trained again
    assert main([*words(colours, stand_in, tmp_path / "part"), "--resume"]) == 0
    assert sum(path.stat().st_mtime_ns == when for path, when in kept.items()) == 1
    for name in ("learning_curve.csv", "points/share_0.2_2.csv", "plots/learning_curve.svg"):
        assert (tmp_path / "part" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()

    with open(tmp_path / "whole/learning_curve.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows] == ["measured"] * 5 + ["forecast"]
    assert [row["images"] for row in rows] == ["10", "10", "24", "24", "48", "96"]
    facts = json.loads((tmp_path / "whole/learning_curve.json").read_text())
    assert facts["forecast"]["images"] == 96 and facts["n"] == 6 and len(facts["points"]) == 3
    page = (tmp_path / "whole/report.html").read_text()
    assert facts["sentence"][1:] in page and "data:image/svg+xml" in page and "preset: null" in page

    # Another share is added to what is there; other options, and folders of something else, are not gone on with.
    more = [word if word != "0.2,0.5,1" else "0.2,0.5,0.8,1" for word in words(colours, stand_in, tmp_path / "part")]
    before = (tmp_path / "part/points/share_0.5_1.csv").stat().st_mtime_ns
    assert main([*more, "--resume"]) == 0 and (tmp_path / "part/points/share_0.8_1.csv").is_file()
    assert (tmp_path / "part/points/share_0.5_1.csv").stat().st_mtime_ns == before
    assert main([*more, "--resume", "--head.dropout", "0.5"]) == 2
    assert "head.dropout" in capsys.readouterr().err
    assert main(words(colours, stand_in, tmp_path / "part")) == 2
    (tmp_path / "other").mkdir()
    assert main([*words(colours, stand_in, tmp_path / "other"), "--resume"]) == 3
    assert "expected a folder written by `tfvision learning-curve`" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("without_pictures")
def test_the_point_of_all_images_is_the_run_of_train(colours: Path, stand_in: Path, tmp_path: Path) -> None:
    options = {"data": str(colours), "backbone": "mobilenet_025", "image_size": 32, "weights": str(stand_in), "seed": 1}
    curve = tfvision.learning_curve(**options, shares=[0.2, 0.5, 1], output=tmp_path / "curve")
    tfvision.train(**options, preset="fast", cache="float32", output=tmp_path / "run")
    whole = (tmp_path / "curve/points/share_1_1.csv").read_text().splitlines()
    run = [line for line in (tmp_path / "run/predictions.csv").read_text().splitlines() if ",validation," not in line]
    assert whole == run
    assert curve.now.score == pytest.approx(open_run(tmp_path / "run").metrics["test"]["accuracy"])
    html = curve._repr_html_()
    assert curve.sentence[1:] in html and "data:image/svg+xml" in html and "LearningCurve(" in repr(curve)


@pytest.mark.slow
@pytest.mark.parametrize("classifier", ["knn", None])
def test_curves_of_other_trainings(classifier: str | None, colours: Path, tmp_path: Path) -> None:
    """A shallow classifier, and a network that is trained from scratch."""
    options = {"classifier": classifier} if classifier else {"epochs": 2}
    curve = tfvision.learning_curve(
        colours,
        shares="0.2,0.5,1",
        repeats=2,
        backbone="small_cnn",
        weights="none",
        output=tmp_path / "curve",
        **options,
    )
    expected = "knn on frozen features" if classifier else "trained as `tfvision train` would: epochs as given"
    assert expected in curve.course and [point.repeats for point in curve.shares] == [2, 2, 1]
    assert len(curve.points[0].values) == 6 and 0 <= curve.further.low <= curve.further.high <= 1


@pytest.mark.slow
@pytest.mark.usefixtures("without_pictures")
def test_a_curve_of_boxes_is_judged_by_their_overlap(tmp_path: Path) -> None:
    data = write_shapes(tmp_path / "shapes", 80)
    options = {"task": "localize", "backbone": "small_cnn", "weights": "none", "image_size": 32, "epochs": 2}
    found = tfvision.learning_curve(data, shares=[0.4, 0.7, 1], repeats=1, output=tmp_path / "curve", **options)
    assert found.score == "mean_iou" and [point.share for point in found.shares] == [0.4, 0.7, 1]
    run = tfvision.train(data=data, output=tmp_path / "run", **options)
    assert found.now.score == pytest.approx(run.metrics["test"]["mean_iou"])
    assert 0 <= found.further.low <= found.further.high <= 1 and "IoU" in found.sentence


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classifier": "knn,svm"}, "one at a time"),
        ({"pseudo": {"labels": 10}}, "leave pseudo-labels out"),
        ({"distill": {"teacher": "runs/a", "temperature": 2}}, "the teacher has learned from the images"),
        ({"backbon": "vgg16"}, "did you mean backbone"),
        ({"shares": "0.5,1"}, "three or more"),
    ],
)
def test_what_does_not_go_with_a_curve(colours: Path, options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        tfvision.learning_curve(colours, **options)


def test_shares_that_hold_the_same_images_are_refused(colours: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="are no more than the share before it"):
        tfvision.learning_curve(
            colours, shares=[0.01, 0.02, 1], backbone="small_cnn", weights="none", output=tmp_path / "curve"
        )
    assert not (tmp_path / "curve").exists()
