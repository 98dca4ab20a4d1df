"""Randomized smoothing: exact bounds, radii that never exceed the true distance, and noise that no batch size changes."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import tfvision
from tfvision.cli import main
from tfvision.data.pixels.resize import Resize
from tfvision.data.sources.open import open_images
from tfvision.errors import RunError, UsageError
from tfvision.evaluation.binomial import clopper_pearson_interval, clopper_pearson_lower, share_interval
from tfvision.models.decision import Decision
from tfvision.models.model_file import ModelFacts
from tfvision.prediction.predictors import KerasPredictor
from tfvision.report.page import write_report
from tfvision.robustness.certificates import largest_radius, listed_radii
from tfvision.robustness.certify import certify_images
from tfvision.robustness.drawing import draw_images
from tfvision.robustness.options import CertifyOptions

SIDE = 6


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (1, 10), (7, 10), (10, 10), (993, 1000), (50_100, 100_000)])
@pytest.mark.parametrize("alpha", [0.001, 0.05])
def test_the_bounds_are_those_of_clopper_and_pearson(successes: int, trials: int, alpha: float) -> None:
    one_sided = stats.binomtest(successes, trials, alternative="greater").proportion_ci(1 - alpha, method="exact")
    assert clopper_pearson_lower(successes, trials, alpha) == pytest.approx(one_sided.low, abs=1e-12)
    both = stats.binomtest(successes, trials).proportion_ci(1 - alpha, method="exact")
    assert clopper_pearson_interval(successes, trials, alpha) == pytest.approx((both.low, both.high), abs=1e-12)


def test_bounds_that_can_be_worked_out_by_hand() -> None:
    assert clopper_pearson_lower(20, 20, 0.001) == pytest.approx(0.001 ** (1 / 20))
    assert clopper_pearson_lower(0, 20, 0.001) == 0
    # In confint of statsmodels' documentation and in every table: 8 of 10 has [0.4439, 0.9748].
    assert clopper_pearson_interval(8, 10) == pytest.approx((0.4439, 0.9748), abs=1e-4)
    assert share_interval(np.array([True] * 8 + [False] * 2))[0] == 0.8


def linear_model(weights: np.ndarray, bias: float):
    """A two-class model whose boundary is the plane of pixels where `weights @ pixels + bias` is 0."""
    import keras

    pixels = keras.Input((SIDE, SIDE, 3))
    model = keras.Model(pixels, keras.layers.Dense(1, activation="sigmoid")(keras.layers.Flatten()(pixels)))
    model.set_weights([weights.reshape(-1, 1).astype(np.float32), np.array([bias], np.float32)])
    return model


def predictor_of(model, names=("far", "near"), decision: Decision | None = None) -> KerasPredictor:
    return KerasPredictor(model, ModelFacts(names, Resize(SIDE, SIDE), "none", decision=decision))


@pytest.fixture(scope="module")
def plane() -> tuple[np.ndarray, float]:
    """A unit vector, and the offset that puts the plane through the middle of the pixel values."""
    weights = np.random.default_rng(0).standard_normal(SIDE * SIDE * 3)
    weights /= np.linalg.norm(weights)
    return weights, -127.5 * float(weights.sum())


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory, plane: tuple[np.ndarray, float]) -> Path:
    """Images at known distances on both sides of the plane, labelled by the side."""
    weights, bias = plane
    pixels, labels = [], []
    for distance in (-40, -25, -12, -4, 4, 12, 25, 40):
        image = np.rint(127.5 + distance * weights).astype(np.uint8).reshape(SIDE, SIDE, 3)
        pixels.append(image)
        labels.append("near" if image.ravel() @ weights + bias > 0 else "far")
    path = tmp_path_factory.mktemp("plane") / "squares.npz"
    np.savez(path, images=np.stack(pixels), labels=np.array(labels))
    return path


def distances(images, plane: tuple[np.ndarray, float]) -> np.ndarray:
    weights, bias = plane
    return np.array([abs(images.read(i).ravel() @ weights + bias) for i in range(len(images))])


def test_a_half_space_is_certified_up_to_its_plane_and_no_further(squares: Path, plane) -> None:
    images = open_images(squares)
    exact = distances(images, plane)
    few, many = (CertifyOptions(sigma=20, samples=samples, seed=3) for samples in (500, 6_000))
    predictor = predictor_of(linear_model(*plane))
    found = {options.samples: certify_images(predictor, images, options, "plane") for options in (few, many)}
    for certificates in found.values():
        kept = certificates.predicted >= 0
        assert kept.sum() >= 6 and certificates.correct[kept].all()
        assert (certificates.radii <= exact).all()  # in the worst image by chance once in 1,000
    close = found[6_000]
    inner = exact < 30
    assert inner.sum() >= 4 and close.abstained == 0
    np.testing.assert_allclose(close.radii[inner], exact[inner], atol=3)
    assert (close.radii >= found[500].radii).all()
    assert close.average_radius == pytest.approx(close.radii.mean())


def test_it_abstains_on_the_boundary(squares: Path, plane) -> None:
    images = open_images(squares).select([0])
    weights, _ = plane
    through = -float(images.read(0).ravel() @ weights)
    options = CertifyOptions(sigma=20, samples=400)
    found = certify_images(predictor_of(linear_model(weights, through)), images, options, "plane")
    assert found.abstained == 1 and found.radii.tolist() == [0.0] and found.average_radius == 0
    assert found.certified_accuracy(0)[0] == 0
    assert found.rows()[0]["predicted"] == "" and found.rows()[0]["correct"] == 0


@pytest.mark.parametrize(("samples", "alpha"), [(10, 0.001), (1000, 0.01)])
def test_a_constant_classifier_certifies_what_the_samples_allow(squares: Path, samples: int, alpha: float) -> None:
    constant = linear_model(np.zeros(SIDE * SIDE * 3), 5.0)
    options = CertifyOptions(sigma=8, samples=samples, alpha=alpha)
    found = certify_images(predictor_of(constant), open_images(squares), options, "plane")
    exact = 8 * stats.norm.ppf(alpha ** (1 / samples))
    np.testing.assert_allclose(found.radii, exact, rtol=1e-9)
    assert largest_radius(options) == pytest.approx(exact) and max(listed_radii(options)) < exact
    assert (found.predicted == 1).all()
    assert found.certified_accuracy(0.99 * exact)[0] == 0.5 and found.certified_accuracy(exact)[0] == 0
    assert found.passes == 8 * (100 + samples)


def test_no_batch_size_and_no_order_changes_a_certificate(squares: Path, plane) -> None:
    images, predictor = open_images(squares), predictor_of(linear_model(*plane))
    chosen = {"sigma": 30, "samples": 301, "n0": 37}
    found = [certify_images(predictor, images, CertifyOptions(**chosen, batch_size=size), "x") for size in (1, 48, 999)]
    for other in found[1:]:
        assert np.array_equal(found[0].radii, other.radii) and np.array_equal(found[0].predicted, other.predicted)
    turned = certify_images(predictor, images.select(np.arange(8)[::-1]), CertifyOptions(**chosen), "x")
    assert np.array_equal(turned.radii[::-1], found[0].radii)
    seeded = certify_images(predictor, images, CertifyOptions(**chosen, seed=1), "x")
    assert (seeded.radii != found[0].radii).any()
    assert len(np.unique(found[0].radii)) > 3


def test_draws_are_the_same_alone_and_standard_normal() -> None:
    import tensorflow as tf

    from tfvision.robustness.smoothing import BLOCK, draw_noise, noise_key

    key = tf.constant(noise_key(0, "a"), tf.int64)
    whole = draw_noise(key, tf.constant(0), tf.constant(400), (SIDE, SIDE, 3)).numpy()
    part = draw_noise(key, tf.constant(2 * BLOCK), tf.constant(2 * BLOCK + 5), (SIDE, SIDE, 3)).numpy()
    assert np.array_equal(whole[2 * BLOCK : 2 * BLOCK + 5], part)
    assert len(np.unique(whole[:, 0, 0, 0])) == 400
    assert stats.kstest(whole.ravel(), "norm").pvalue > 1e-3
    assert noise_key(0, "a") not in (noise_key(0, "b"), noise_key(1, "a"))


def test_the_stored_decision_decides_what_is_certified(squares: Path, plane) -> None:
    images, model, options = open_images(squares), linear_model(*plane), CertifyOptions(sigma=20, samples=400)
    always = Decision(1.3, (0.0, 1e4), "f1")
    found = certify_images(predictor_of(model, decision=always), images, options, "x")
    assert (found.predicted == 1).all() and found.abstained == 0
    np.testing.assert_allclose(found.radii, largest_radius(options))
    warm = certify_images(predictor_of(model, decision=Decision(3.0)), images, options, "x")
    plain = certify_images(predictor_of(model), images, options, "x")
    assert np.array_equal(warm.radii, plain.radii)  # a temperature changes no class


def test_a_model_that_gives_nan_is_refused(squares: Path) -> None:
    broken = linear_model(np.full(SIDE * SIDE * 3, np.nan), 0.0)
    with pytest.raises(RunError, match="NaN"):
        certify_images(predictor_of(broken), open_images(squares), CertifyOptions(), "x")


def test_which_images_are_drawn_does_not_depend_on_their_order(squares: Path) -> None:
    images = open_images(squares)
    drawn = draw_images(images, 3, 1)
    turned = draw_images(images.select(np.arange(8)[::-1]), 3, 1)
    assert len(drawn) == 3 and set(drawn.ids) == set(turned.ids)
    assert draw_images(images, 8, 1) is images


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sigma": 0}, "sigma: expected more than 0"),
        ({"sigma": -1.0}, "sigma: expected more than 0"),
        ({"samples": 9}, "expected 10 or more"),
        ({"alpha": 0.5}, "alpha: expected more than 0, under 0.5"),
        ({"limit": 0}, "limit: expected 1 or more"),
        ({"sigmas": 3}, "unknown key 'sigmas'"),
    ],
)
def test_wrong_options_are_refused_before_the_model_is_loaded(
    small_run: Path, options: dict[str, object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tfvision.prediction.stored.load_model", lambda path: pytest.fail("a model was loaded"))
    with pytest.raises(UsageError, match=message):
        tfvision.certify(small_run, **options)


def test_a_model_of_boxes_is_refused(small_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tfvision.robustness.certify.has_boxes", lambda task: True)
    with pytest.raises(UsageError, match="finds boxes"):
        tfvision.certify(small_run)


def test_the_verb_writes_into_the_run_and_its_report(small_run: Path, tmp_path: Path, capsys) -> None:
    run = shutil.copytree(small_run, tmp_path / "run")
    assert main(["certify", str(run), "--sigma", "10", "--samples", "50", "--n0", "10", "--limit", "4"]) == 0
    said, stored = capsys.readouterr().out, json.loads((run / "certify.json").read_text())
    assert f"average certified radius {stored['average_certified_radius']:.2f}" in said
    assert stored["n"] == 4 and stored["forward_passes"] == 240 and stored["images"] == "test"
    with open(run / "certify.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "label", "predicted", "radius", "correct"] and len(rows) == 4
    certified = np.mean([row["correct"] == "1" and float(row["radius"]) > 0 for row in rows])
    assert stored["certified_accuracy"][0]["accuracy"] == certified > 0
    page = (run / "report.html").read_text()
    assert "Certified against small changes" in page and (run / "plots" / "certify.svg").is_file()
    assert f"{stored['average_certified_radius']:.2f}" in page
    (run / "certify.json").write_text('{"certified_accuracy": [{"radius": 1}]}')
    assert "Certified against" not in write_report(run).read_text()  # damaged: left out, and the page is still written


@pytest.mark.slow
def test_other_images_go_beside_the_output_and_a_savedmodel_is_certified_too(
    small_run: Path, colours: Path, tmp_path: Path
) -> None:
    tfvision.export(small_run, tmp_path / "saved")
    options = {"sigma": 10.0, "samples": 64, "n0": 16, "limit": 3}
    plain = tfvision.certify(small_run, colours, output=tmp_path / "c.json", **options)
    assert [path.name for path in plain.written] == ["c.json", "c.csv", "c.svg"]
    served = tfvision.certify(tmp_path / "saved", colours, **options)
    assert served.written == () and served.ids == plain.ids
    assert (served.predicted == plain.predicted).mean() > 0.6  # it rounds and clips, so single draws may differ
