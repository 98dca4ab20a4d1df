"""The verb attack: what it writes and says, what it refuses, and that its sanity checks see masked gradients."""

import csv
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvision
from tfvision.cli import main
from tfvision.data.images.imageset import ImageSet
from tfvision.data.pixels.resize import Resize
from tfvision.data.sources.open import open_images
from tfvision.errors import DataError, UsageError
from tfvision.models.decision import Decision
from tfvision.models.model_file import ModelFacts, replace_facts
from tfvision.prediction.predictors import KerasPredictor
from tfvision.prediction.stored import load_predictor
from tfvision.robustness.attack_options import AttackOptions
from tfvision.robustness.attack_scores import SanityCheck
from tfvision.robustness.attacked import attacked_model
from tfvision.robustness.attacker import Attacker
from tfvision.robustness.attacks.effort import Effort
from tfvision.robustness.campaign import Campaign, as_files, start_campaign
from tfvision.robustness.halving import halving_epsilon
from tfvision.robustness.scoring import score_attacks

QUICK = {"queries": 20, "steps": 5, "cw_steps": 20, "cw_rounds": 3, "patch_steps": 5}


@pytest.fixture
def run(small_run: Path, tmp_path: Path) -> Path:
    """A copy of a finished run, to be attacked."""
    return Path(shutil.copytree(small_run, tmp_path / "run"))


def test_a_run_is_attacked_and_its_report_says_so(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--method", "all", "--epsilon", "0.5,40", "--queries", "30", "--steps", "5", "--cw-steps", "20"]
    assert main(["attack", str(run), *words, "--patch-steps", "5", "--cw-rounds", "5"]) == 0
    said = capsys.readouterr().out
    assert "PGD halves the accuracy at epsilon" in said and "epsilon 0.5: float pixels only" in said

    stored = json.loads((run / "attack.json").read_text())
    assert {row["attack"] for row in stored["attacks"]} == {
        "fgsm", "pgd", "apgd", "cw", "patch", "square", "random", "random-patch",
    }  # fmt: skip
    for row in stored["attacks"]:
        assert row["robust_low"] <= row["robust"] <= row["robust_high"] <= 1 and row["robust"] <= row["clean"]
        assert {"norm", "epsilon", "steps", "restarts", "forward_passes", "seconds_per_image"} <= set(row)
    found = {(row["attack"], row["epsilon"]): row for row in stored["attacks"]}
    assert found["pgd", 0.5]["scored_as"] == "float pixels" and found["pgd", 40]["scored_as"] == "uint8 files"
    assert found["pgd", 40]["robust"] <= found["pgd", 0.5]["robust"] <= stored["clean"]
    assert stored["distances"]["l2_median"] > 0 and 0.5 < stored["halving"]["epsilon"] < 128
    assert len(stored["sanity"]) >= 8

    with (run / "attack.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["attack"] for row in rows] == [row["attack"] for row in stored["attacks"]]
    page = (run / "report.html").read_text()
    assert "Under attack" in page and "Can the attack be believed?" in page and "AutoPGD" in page
    for name, head in (("attack.svg", b"<?xml"), ("attack_images.png", b"\x89PNG"), ("attack_patch.png", b"\x89PNG")):
        assert (run / "plots" / name).read_bytes().startswith(head)


@pytest.mark.slow
def test_other_images_of_any_size_and_a_file_for_the_scores(run: Path, tmp_path: Path, colours: Path) -> None:
    import cv2

    data = Path(shutil.copytree(colours, tmp_path / "data"))
    for number, path in enumerate(sorted(data.rglob("*_00[0-4].png"))):
        cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), (20 + number % 3, 13)))
    scores = tfvision.attack(
        run, method="pgd", epsilon=[2, 60.0], data=data, output=tmp_path / "out.json", limit=40, sanity=False, **QUICK
    )
    assert len(scores.clean) == 40 and scores.checks == []
    assert scores.rows[1].accuracy < scores.rows[0].accuracy
    assert [path.name for path in scores.written] == ["out.json", "out.csv", "out.svg", "out_images.png"]
    assert not (run / "attack.json").exists()
    again = tfvision.attack(run, method="pgd", epsilon=[2, 60.0], data=data, limit=40, sanity=False, **QUICK)
    assert again.written == ()
    np.testing.assert_array_equal(again.rows[1].right, scores.rows[1].right)


@pytest.mark.slow
def test_transfer_between_runs_is_a_matrix(run: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(run, tmp_path / "other"))
    scores = tfvision.attack(run, other, method="pgd,transfer", epsilon="40", **QUICK)
    (matrix,) = [np.array(each["matrix"]) for each in scores.transfer]
    assert matrix.shape == (2, 2)
    np.testing.assert_array_equal(matrix[0], matrix[1])  # the same run twice
    assert matrix[0, 0] < scores.clean_accuracy
    assert any(check.name.startswith("transfer is no stronger") and check.passed for check in scores.checks)
    assert str(other) in (run / "report.html").read_text()


def test_budgets_hold_and_files_are_what_is_scored(run: Path, colours: Path) -> None:
    attacker = Attacker(attacked_model("run", load_predictor(run)), effort=Effort(steps=5))
    campaign = start_campaign(attacker, open_images(str(colours)), 0)
    rows = np.arange(12)
    for epsilon in (3.0, 2.5):
        ((chunk, batch),) = campaign.crafted("pgd", epsilon, rows)
        origin = np.stack([campaign.images.read(row) for row in chunk.tolist()])
        assert np.abs(batch.images - origin).max() <= epsilon + 1e-4
        assert batch.images.min() >= 0 and batch.images.max() <= 255
        assert (batch.images == np.rint(batch.images)).all() == as_files("linf", epsilon)
    assert not as_files("l2", 3.0)
    files = campaign.predicted(chunk, np.rint(batch.images), True)
    np.testing.assert_array_equal(files, attacker.classes(np.rint(batch.images)))
    with pytest.raises(AttributeError):
        campaign.seed = 1  # type: ignore[misc]


def test_a_stored_decision_decides_what_counts_as_misled(run: Path, colours: Path) -> None:
    """With an offset that makes every image blue, the others are wrong already and nothing can save them."""
    facts = load_predictor(run).facts
    offsets = tuple(50.0 if name == "blue" else 0.0 for name in facts.class_names)
    replace_facts(run / "model.keras", ModelFacts(**{**vars(facts), "decision": Decision(1.7, offsets, "f1")}))
    attacker = Attacker(attacked_model("run", load_predictor(run)), effort=Effort(steps=5))
    campaign = start_campaign(attacker, open_images(str(colours)), 0)
    np.testing.assert_array_equal(
        campaign.clean, [name == "blue" for name in np.array(facts.class_names)[campaign.images.labels]]
    )
    assert campaign.attack("pgd", 1.0).accuracy == campaign.clean.mean()


def test_what_cannot_be_attacked_is_refused(run: Path, tmp_path: Path) -> None:
    for words, said in (
        ({"method": "transfer"}, "two runs or more"),
        ({"method": "pdg"}, "unknown attack"),
        ({"epsilon": "0"}, "expected numbers above 0"),
        ({"norm": "l3"}, "norm"),
        ({"stepz": 3}, "stepz"),
    ):
        with pytest.raises(UsageError, match=said):
            tfvision.attack(run, **words)
    with pytest.raises(UsageError, match="several runs are for --method transfer"):
        tfvision.attack(run, run / "model.keras")
    with pytest.raises(UsageError, match="given twice"):
        tfvision.attack(run, run, method="transfer")
    with pytest.raises(DataError, match="does not exist"):
        tfvision.attack(tmp_path / "nowhere")
    assert main(["attack", str(tmp_path / "nowhere")]) == 3


# --- Models whose gradients lie ---------------------------------------------------------------------------------------


class Staircase(keras.layers.Layer):
    """Rounds to steps of 25 gray levels: its gradient is zero everywhere."""

    def call(self, pixels: tf.Tensor) -> tf.Tensor:
        return 25 * tf.round(pixels / 25)


class Noise(keras.layers.Layer):
    """Adds noise in inference too, drawn anew with each pass."""

    def call(self, pixels: tf.Tensor) -> tf.Tensor:
        return pixels + tf.random.normal(tf.shape(pixels), stddev=40.0)


class Winner(keras.layers.Layer):
    """One for the largest of the values, else zero: argmax lets no gradient through."""

    def call(self, values: tf.Tensor) -> tf.Tensor:
        return 8 * tf.one_hot(tf.argmax(values, -1), values.shape[-1])


def colour_model(before: keras.layers.Layer | None = None, after: keras.layers.Layer | None = None) -> keras.Model:
    """Tells colours apart by their means."""
    pixels = keras.Input((16, 16, 3))
    seen = before(pixels) if before else pixels
    means = keras.layers.GlobalAveragePooling2D()(seen)
    dense = keras.layers.Dense(3)
    values = dense(means)
    dense.set_weights([np.eye(3, dtype=np.float32)[:, ::-1] / 10, np.zeros(3, np.float32)])
    return keras.Model(pixels, keras.layers.Softmax()(after(values) if after else values))


def checks_of(model: keras.Model, images: ImageSet) -> dict[str, SanityCheck]:
    facts = ModelFacts(("blue", "green", "red"), Resize(16, 16), "colours")
    options = AttackOptions(steps=8, queries=150, seed=1)
    attacker = Attacker(attacked_model("colours", KerasPredictor(model, facts)), "linf", options)
    scores, _ = score_attacks([attacker], images, "colours", ["fgsm", "pgd"], [2.0, 32.0], options, [])
    return {check.name: check for check in scores.checks}


def failed(checks: dict[str, SanityCheck]) -> set[str]:
    return {name for name, check in checks.items() if not check.passed}


def test_all_checks_hold_on_an_honest_model(colours: Path) -> None:
    checks = checks_of(colour_model(), open_images(str(colours)))
    assert failed(checks) == set() and len(checks) >= 9


@pytest.mark.parametrize("blocked", [{"before": Staircase()}, {"after": Winner()}], ids=["rounding", "argmax"])
def test_a_layer_that_blocks_gradients_is_named(blocked: dict[str, keras.layers.Layer], colours: Path) -> None:
    checks = checks_of(colour_model(**blocked), open_images(str(colours)))
    wrong = failed(checks)
    assert {"gradients reach the pixels", "a large budget leaves nothing"} <= wrong
    assert "a layer lets none through" in checks["gradients reach the pixels"].meaning
    assert checks["the same answer twice"].passed and checks["clean accuracy above chance"].passed


def test_distillation_hides_the_gradients_of_probabilities_but_not_those_of_logits(colours: Path) -> None:
    """A student that learned at temperature 100 has logits 100 times as large: its softmax saturates in float32.

    What an attack on its probabilities would follow is zero; attacked on logits it falls as the teacher does (Carlini and
    Wagner, 2017).
    """
    images = open_images(str(colours))
    teacher, student = colour_model(), colour_model()
    dense = student.layers[-2]
    dense.set_weights([100 * weights for weights in dense.get_weights()])
    pixels = tf.constant(np.stack([images.read(i) for i in range(len(images))]), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        truth = tf.gather(student(pixels), images.labels, axis=1, batch_dims=1)
        loss = -tf.math.log(tf.maximum(truth, 1e-30))
    assert (np.abs(tape.gradient(loss, pixels).numpy()) < 1e-8).all()  # rounding errors, of any sign
    left = []
    for model in (teacher, student):
        facts = ModelFacts(("blue", "green", "red"), Resize(16, 16), "colours")
        attacker = Attacker(attacked_model("colours", KerasPredictor(model, facts)), "linf", AttackOptions(steps=8))
        scores, _ = score_attacks([attacker], images, "colours", ["pgd"], [64.0, 96.0], AttackOptions(sanity=False), [])
        left.append([row.accuracy for row in scores.rows])
    assert left[0] == left[1] and left[0][-1] == 0


def test_a_random_model_is_named(colours: Path) -> None:
    checks = checks_of(colour_model(before=Noise()), open_images(str(colours)))
    assert "the same answer twice" in failed(checks)
    assert "the model is random" in checks["the same answer twice"].meaning
    assert checks["gradients reach the pixels"].passed


def test_a_model_that_guesses_is_named(colours: Path) -> None:
    model = colour_model()
    model.layers[-2].set_weights([np.zeros((3, 3)), np.array([0.0, 1.0, 0.0])])
    checks = checks_of(model, open_images(str(colours)))
    assert "clean accuracy above chance" in failed(checks)


def test_the_halving_budget_is_where_half_is_left(colours: Path) -> None:
    facts = ModelFacts(("blue", "green", "red"), Resize(16, 16), "colours")
    attacker = Attacker(attacked_model("colours", KerasPredictor(colour_model(), facts)), "linf", Effort(steps=10))
    campaign: Campaign = start_campaign(attacker, open_images(str(colours)), 0)
    found = halving_epsilon(campaign, limit=60)
    # The model compares mean channels: an image falls when the budget passes half of its lead.
    means = np.sort([campaign.images.read(row).mean((0, 1)) for row in range(60)], axis=1)
    expected = np.median(means[:, 2] - means[:, 1]) / 2
    assert found["epsilon"] == pytest.approx(expected, rel=0.1)
    assert 0.2 < found["robust"] < 0.8


def test_the_halving_budget_is_found_where_the_largest_budget_misleads_nobody() -> None:
    """With steps of a third of the range PGD can jump over what it finds with smaller ones, as on a model of random weights."""

    def attack(name: str, epsilon: float, *, limit: int) -> SimpleNamespace:
        accuracy = 1.0 if epsilon > 40 else max(0.0, 1 - epsilon / 6)
        return SimpleNamespace(epsilon=epsilon, accuracy=accuracy, clean=1.0, right=np.ones(limit))

    campaign = SimpleNamespace(clean=np.ones(10), attacker=SimpleNamespace(norm="linf"), attack=attack)
    found = halving_epsilon(campaign, limit=10)
    assert found["epsilon"] == pytest.approx(3.0, rel=0.1) and found["n"] == 10
    campaign.attack = lambda name, epsilon, limit: SimpleNamespace(accuracy=0.9, clean=1.0)
    assert halving_epsilon(campaign, limit=10) == {}


@pytest.mark.slow
def test_saved_models_and_damaged_scores(run: Path, tmp_path: Path) -> None:
    from tfvision.report.page import write_report

    (run / "attack.json").write_text('{"attacks": "many"}')
    assert "Under attack" not in write_report(run).read_text()
    exported = tmp_path / "exported"
    tfvision.export(run, output=exported)
    with pytest.raises(UsageError, match="no gradient goes"):
        tfvision.attack(exported)
