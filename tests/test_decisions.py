"""Decisions after training: temperature, thresholds, what they change, and that every way to the model applies them."""

import csv
import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import small_config

from tfvision.cli import main
from tfvision.data.sources.open import open_images
from tfvision.decisions.choose import calibrate, threshold
from tfvision.decisions.objectives import Objective, parse_objective
from tfvision.decisions.thresholds import _objective_along, _search, choose_offsets
from tfvision.errors import RunError, UsageError
from tfvision.evaluation.paired import paired_differences
from tfvision.evaluation.predictions import Predictions, read_predictions
from tfvision.evaluation.scores import probability_scores
from tfvision.evaluation.temperature import fit_temperature
from tfvision.experiment.train import train_from_config
from tfvision.export import savedmodel
from tfvision.export.savedmodel import model_endpoints, publish, write_saved_model
from tfvision.models.decision import Decision, softmax
from tfvision.models.model_file import ModelFacts, read_facts, replace_facts
from tfvision.prediction.answers import predict_images
from tfvision.prediction.stored import load_predictor
from tfvision.runs.folder import open_run


def case(count: int, classes: int, seed: int = 0, temperature: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are true at temperature 1, sharpened or flattened by another, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=2, size=(count, classes))
    true = softmax(logits)
    labels = (true.cumsum(axis=1) < rng.random(count)[:, None]).sum(axis=1)
    return softmax(logits * temperature), labels


def answers(labels: np.ndarray, probabilities: np.ndarray, decided: np.ndarray | None = None) -> Predictions:
    ids = tuple(str(index) for index in range(len(labels)))
    names = tuple("abcdefgh"[: probabilities.shape[1]])
    return Predictions(ids, np.full(len(labels), "test"), labels, probabilities, names, decided)


# ---- temperature


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_was_put_in_is_found(classes: int, temperature: float) -> None:
    probabilities, labels = case(20_000, classes, temperature=temperature)
    assert fit_temperature(probabilities, labels) == pytest.approx(temperature, rel=0.06)


def test_no_other_temperature_has_a_lower_log_loss() -> None:
    probabilities, labels = case(5_000, 4, seed=3, temperature=3)
    best = fit_temperature(probabilities, labels)

    def loss(temperature: float) -> float:
        scaled = Decision(temperature).calibrate(probabilities)
        return probability_scores(labels, scaled, np.ones((len(labels), 1)))["log_loss"][0]

    assert loss(best) < min(loss(best * 1.02), loss(best / 1.02))


def test_few_images_that_are_all_right_do_not_ask_for_certainty() -> None:
    assert 0.15 < fit_temperature(np.array([[0.9, 0.1], [0.2, 0.8], [0.1, 0.9]]), np.array([0, 1, 1])) < 1
    certain = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])  # what a float32 sigmoid gives when it overflows
    assert np.isfinite(fit_temperature(certain, np.array([1, 0, 0])))


@pytest.mark.parametrize("offsets", [(), (0.0, 1.2), (0.3, -1.0, 0.4)])
def test_a_temperature_changes_no_class(offsets: tuple[float, ...]) -> None:
    probabilities, _ = case(500, len(offsets) or 3)
    was = Decision(0.8, offsets, "f1")
    now = was.with_temperature(2.7)
    assert np.array_equal(*(one.decide(one.calibrate(probabilities)) for one in (was, now)))
    assert np.abs(was.calibrate(probabilities) - now.calibrate(probabilities)).max() > 0.1


# ---- thresholds


def test_the_threshold_of_two_classes_is_the_probability_it_says() -> None:
    decision = Decision(offsets=(0.0, -0.7), objective="f1")
    p = np.linspace(0.001, 0.999, 999)
    found = decision.decide(np.stack([1 - p, p], axis=1))
    assert np.array_equal(found == 1, p > decision.threshold)
    assert decision.threshold == pytest.approx(1 / (1 + np.exp(-0.7)))
    assert Decision(offsets=(0.0, -1e6)).threshold == 1  # no overflow


@pytest.mark.parametrize("kind", ["f1", "f1_macro", "cost"])
@pytest.mark.parametrize("classes", [2, 4])
def test_the_objective_along_an_offset_is_the_objective(kind: str, classes: int) -> None:
    """Every count is one sweep's step; against scoring each step anew, with a class that vanishes on the way."""
    objective = Objective(kind, kind, false_positive=2, false_negative=3)
    rng = np.random.default_rng(classes)
    labels, rival = rng.integers(classes, size=(2, 40))
    if kind != "f1_macro":
        classes, labels, rival = 2, labels % 2, np.zeros(40, int)  # of one offset, all are taken from the negatives
    labels[labels == 2] = 0  # no label and, once all are taken over, no prediction either
    k = 1
    rival[rival == k] = 0
    found = _objective_along(labels, rival, k, classes, objective)
    expected = [objective.score(labels, np.where(np.arange(40) < n, k, rival), classes) for n in range(41)]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("kind", ["f1", "f1_macro", "cost"])
def test_no_threshold_does_better_on_the_searched_images(kind: str) -> None:
    objective = Objective(kind, kind, false_positive=1, false_negative=4)
    probabilities, labels = case(80, 2, seed=5)
    scores = np.log(probabilities)
    found = objective.score(labels, (scores + _search(scores, labels, objective, np.zeros(2), 0)).argmax(axis=1), 2)
    every = [objective.score(labels, (probabilities[:, 1] > t).astype(int), 2) for t in [0, *probabilities[:, 1]]]
    assert found == pytest.approx(max(every))


def test_coordinate_search_comes_near_the_best_offsets_of_a_grid() -> None:
    objective = parse_objective("f1", 3)
    probabilities, labels = case(60, 3, seed=8)
    scores = np.log(probabilities) + np.array([1.5, 0.0, -1.0])
    found = objective.score(labels, (scores + _search(scores, labels, objective, np.zeros(3), 0)).argmax(axis=1), 3)
    grid = [np.array([0, a, b]) for a, b in itertools.product(np.linspace(-4, 6, 41), repeat=2)]
    assert found >= max(objective.score(labels, (scores + step).argmax(axis=1), 3) for step in grid) - 0.02


def test_offsets_help_where_the_classes_are_shifted_and_hardly_harm_where_not() -> None:
    for shift, lowest, highest in ((np.array([1.5, 0.0, -1.5]), 0.02, 0.2), (np.zeros(3), -0.005, 0.01)):
        gains = []
        for seed in range(4):
            (small, labels), (large, truth) = case(150, 3, seed=seed), case(5_000, 3, seed=100 + seed)
            objective = parse_objective("f1", 3)
            offsets = np.array(choose_offsets(softmax(np.log(small) + shift), labels, objective, seed))
            plain = np.log(large) + shift
            before, after = (objective.score(truth, s.argmax(axis=1), 3) for s in (plain, plain + offsets))
            gains.append(after - before)
        assert lowest <= np.mean(gains) <= highest


def test_precision_takes_the_highest_recall_that_reaches_it() -> None:
    p = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.5, 0.1])
    labels = np.array([1, 1, 0, 1, 1, 0, 0])  # precision at each: 1, 1, 2/3, 3/4, then two at once 4/6, 4/7
    probabilities = np.stack([1 - p, p], axis=1)
    for wanted, reached in ((0.7, 0.55), (0.99, 0.75), (0.6, 0.25)):
        offsets = choose_offsets(probabilities, labels, parse_objective(f"precision={wanted}", 2), 0)
        low, high = reached - 0.06, reached + 0.06
        assert low < Decision(offsets=offsets).threshold < high
    with pytest.raises(RunError, match=r"no threshold reaches a precision of 0\.9 .* 0\.429 is the highest"):
        choose_offsets(probabilities, 1 - labels, parse_objective("precision=0.9", 2), 0)


def test_a_cost_starts_from_the_threshold_that_true_probabilities_ask_for() -> None:
    probabilities, labels = case(20_000, 2, seed=2)
    offsets = choose_offsets(probabilities, labels, parse_objective("cost=FP:1,FN:4", 2), 0)
    assert Decision(offsets=offsets).threshold == pytest.approx(0.2, abs=0.05)


@pytest.mark.parametrize(
    ("text", "classes", "message"),
    [
        ("f1_makro", 2, r"did you mean f1_macro\?"),
        ("precision", 2, "precision=0.9"),
        ("precision=1.2", 2, "at most 1"),
        ("precision=x", 2, "at most 1"),
        ("cost=FP:1", 2, "two costs"),
        ("cost=FP:0,FN:1", 2, "above 0"),
        ("cost=FP:1e999,FN:1", 2, "above 0"),
        ("precision=0.9", 3, "of two classes"),
    ],
)
def test_objectives_that_make_no_sense_are_refused(text: str, classes: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_objective(text, classes)


# ---- paired differences


def test_a_paired_difference_is_that_of_the_resampled_scores() -> None:
    probabilities, labels = case(200, 3, seed=4)
    other = softmax(np.log(probabilities) + np.array([0.8, 0.0, 0.0]))
    found = paired_differences(answers(labels, probabilities), answers(labels, other), resamples=2000)
    right = (other.argmax(axis=1) == labels).astype(float) - (probabilities.argmax(axis=1) == labels)
    accuracy = found["accuracy"]
    assert accuracy.value == pytest.approx(right.mean())
    # The bootstrap of a mean of differences is nearly normal with the standard error of that mean.
    error = right.std() / np.sqrt(len(labels))
    assert (accuracy.low, accuracy.high) == pytest.approx(
        (right.mean() - 1.96 * error, right.mean() + 1.96 * error), abs=0.008
    )
    assert found["log_loss"].value > 0 and not found["log_loss"].is_none
    assert "f1" not in found


def test_costs_are_compared_by_what_each_mistake_costs() -> None:
    labels, p = np.array([0, 0, 1, 1]), np.array([0.2, 0.6, 0.4, 0.9])
    probabilities = np.stack([1 - p, p], axis=1)
    decided = np.array([0, 1, 1, 1])
    found = paired_differences(answers(labels, probabilities), answers(labels, probabilities, decided), costs=(2, 6))
    assert (found["mean_cost"].first, found["mean_cost"].second) == ((2 + 6) / 4, 2 / 4)


def test_other_images_are_no_pair() -> None:
    probabilities, labels = case(6, 2)
    first = answers(labels, probabilities)
    with pytest.raises(ValueError, match="same images"):
        paired_differences(first, replace(first, ids=first.ids[::-1]))


# ---- in a run


@pytest.fixture(scope="module")
def two_run(tmp_path_factory: pytest.TempPathFactory, two_colours: Path) -> Path:
    """A run of two classes, one sigmoid unit, that is often unsure."""
    folder = tmp_path_factory.mktemp("runs") / "two"
    config = small_config(two_colours, folder)
    train_from_config(replace(config, phases=[replace(config.phases[0], epochs=1, learning_rate=1e-3)]))
    return folder


@pytest.fixture
def copied(request: pytest.FixtureRequest, small_run: Path, two_run: Path, tmp_path: Path):
    """Copy a run, to change it."""
    return lambda name: Path(shutil.copytree({"three": small_run, "two": two_run}[name], tmp_path / name))


@pytest.mark.parametrize("name", ["two", "three"])
def test_every_way_to_the_model_decides_as_the_run(
    name: str, copied, colours: Path, two_colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """model.keras, predict, evaluate and the SavedModel's own classes on every test image, some of them changed."""
    import tensorflow as tf

    folder = copied(name)
    plain = open_run(folder).predictions.part("test")
    images = open_images(two_colours if name == "two" else colours)
    # The offset that moves the middle of the test images of one class over to another.
    lead = np.log(plain.probabilities[:, 1] / plain.probabilities[:, 0])
    middle = -float(np.median(lead)) + 1e-3
    decision = Decision(1.7, (0.0, middle / 1.7, *[0.0] * (len(plain.class_names) - 2)), "f1")
    facts = read_facts(folder / "model.keras")
    replace_facts(folder / "model.keras", replace(facts, decision=decision))
    run = open_run(folder)
    publish(
        write_saved_model(model_endpoints(run.model(), run.facts), run.facts, tmp_path / "saved"), tmp_path / "saved"
    )
    expected = run.predictions.part("test")
    assert (expected.predicted != plain.predicted).any()
    chosen = images.select([images.ids.index(image_id) for image_id in expected.ids])
    for path in (folder, folder / "model.keras", tmp_path / "saved"):
        found = predict_images(load_predictor(path), chosen)
        assert np.array_equal(found.predicted, expected.predicted)
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
    serve = tf.saved_model.load(str(tmp_path / "saved" / "1")).signatures["serving_default"]
    answered = [int(serve(images=tf.constant(chosen.read(i)[None]))["class"][0]) for i in range(len(chosen))]
    assert answered == expected.predicted.tolist()
    assert main(["predict", str(folder), str(images.source), "--output", str(tmp_path / "p.csv")]) == 0
    with open(tmp_path / "p.csv", newline="") as file:
        written = {row["id"]: row["predicted"] for row in csv.DictReader(file)}
    names = [expected.class_names[k] for k in expected.predicted]
    assert [written[image_id] for image_id in expected.ids] == names
    capsys.readouterr()
    assert main(["evaluate", str(folder)]) == 0
    accuracy = float(np.mean(expected.predicted == expected.labels))
    assert f"accuracy {accuracy:.4f}" in capsys.readouterr().out


@pytest.mark.slow
def test_an_export_that_forgets_the_decision_is_refused(
    copied, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    folder = copied("two")
    facts = read_facts(folder / "model.keras")
    nothing_red = Decision(offsets=(0.0, -30.0), objective="f1")
    replace_facts(folder / "model.keras", replace(facts, decision=nothing_red))
    decide = savedmodel._decide
    monkeypatch.setattr(savedmodel, "_decide", lambda outputs, decision: decide(outputs, None))
    assert main(["export", str(folder), "--output", str(tmp_path / "saved")]) == 4
    assert "another class than model.keras" in capsys.readouterr().err


def test_the_choice_is_stored_scored_and_taken_back(copied, capsys: pytest.CaptureFixture) -> None:
    folder = copied("two")
    weights = open_run(folder).model().get_weights()
    untouched = (folder / "predictions.csv").read_bytes(), (folder / "metrics.json").read_bytes()
    assert main(["threshold", str(folder), "--objective", "f1"]) == 0
    assert main(["calibrate", str(folder)]) == 0
    assert "validation images" in capsys.readouterr().out
    stored = json.loads((folder / "decision.json").read_text())
    facts = read_facts(folder / "model.keras")
    assert facts.decision == Decision.from_dict(stored) and facts.decision.objective == "f1"
    run = open_run(folder)
    plain = read_predictions(folder / "predictions.csv").part("test")
    expected = paired_differences(plain, run.predictions.part("test"), seed=0)
    assert stored["test"]["scores"] == {key: value.to_dict() for key, value in expected.items()}
    assert stored["times_scored_on_test"] == 2
    page = (folder / "report.html").read_text()
    assert "images, on which it was chosen</h3>" in page and "{{" not in page
    assert "How it decides" in page and f"{stored['test']['scores']['log_loss']['second']:.4f}" in page
    assert all(np.array_equal(*pair) for pair in zip(weights, run.model().get_weights(), strict=True))
    assert untouched == ((folder / "predictions.csv").read_bytes(), (folder / "metrics.json").read_bytes())
    assert main(["threshold", str(folder), "--objective", "none"]) == 0
    assert main(["calibrate", str(folder), "--off"]) == 0
    assert read_facts(folder / "model.keras").decision is None
    assert "How it decides" not in (folder / "report.html").read_text()


@pytest.mark.slow
def test_a_notebook_shows_what_was_chosen_and_what_it_changed(copied) -> None:
    folder = copied("two")
    assert "Chosen after training" not in open_run(folder)._repr_html_()
    shown = calibrate(threshold(folder, "f1"))._repr_html_()
    stored = json.loads((folder / "decision.json").read_text())
    loss = stored["test"]["scores"]["log_loss"]
    assert f"Temperature {stored['temperature']:.3g}, fitted on" in shown and "is classified as red if" in shown
    assert f"<td class=number>{loss['first']:.4f}</td><td class=number>{loss['second']:.4f}</td>" in shown
    assert "of the run as it was trained" in shown
    neither = calibrate(threshold(folder, "none"), off=True)
    assert "Chosen after training" not in neither._repr_html_()


def test_scores_of_another_decision_are_marked_in_the_report(copied) -> None:
    folder, mark = copied("two"), "decision was changed to what it is now"
    assert main(["threshold", str(folder), "--objective", "f1"]) == 0
    assert main(["evaluate", str(folder), "--corrupt", "blur"]) == 0
    assert main(["certify", str(folder), "--samples", "20", "--n0", "5", "--limit", "3"]) == 0
    assert main(["attack", str(folder), "--method", "fgsm", "--epsilon", "1", "--limit", "3", "--sanity", "false"]) == 0
    assert (page := (folder / "report.html").read_text()).count(mark) == 0 and "Under attack" in page
    assert main(["calibrate", str(folder)]) == 0
    page = (folder / "report.html").read_text()
    assert page.count(mark) == 3 and all(f"run tfvision {verb}" in page for verb in ("evaluate --corrupt", "certify"))
    assert main(["certify", str(folder), "--samples", "20", "--n0", "5", "--limit", "3"]) == 0
    assert (folder / "report.html").read_text().count(mark) == 2


def changed_splits(folder: Path) -> None:
    """Swap the labels of test images in splits.csv, as the test below does in predictions.csv."""
    lines = (folder / "splits.csv").read_text().splitlines()
    swapped = {"green": "red", "red": "green"}
    cells = [line.split(",") for line in lines]
    rows = [",".join([a, b, swapped[c] if b == "test" else c, *rest]) for a, b, c, *rest in cells[1:]]
    (folder / "splits.csv").write_text("\n".join([lines[0], *rows]) + "\n")


def test_only_validation_decides(copied) -> None:
    """Other test labels, another test score: the same choice."""
    folder = copied("two")
    first = threshold(folder, "f1_macro").facts.decision, calibrate(folder).facts.decision
    (folder / ".digests").unlink()
    lines = (folder / "predictions.csv").read_text().splitlines()
    changed_splits(folder)
    swapped = {"green": "red", "red": "green"}
    cells = [line.split(",") for line in lines]
    changed = [[a, b, swapped[c] if b == "test" else c, *rest] for a, b, c, *rest in cells[1:]]
    (folder / "predictions.csv").write_text("\n".join([lines[0], *map(",".join, changed)]) + "\n")
    main(["threshold", str(folder), "--objective", "none"])
    main(["calibrate", str(folder), "--off"])
    assert (threshold(folder, "f1_macro").facts.decision, calibrate(folder).facts.decision) == first


def test_a_decision_is_of_a_new_run_and_builds_on_the_last_one(copied) -> None:
    run = open_run(copied("two"))
    assert run.facts.decision is None
    chosen = threshold(run, "f1")
    assert run.facts.decision is None and chosen is not run
    assert chosen.facts == open_run(run.folder).facts and chosen.facts.decision.objective == "f1"
    both = calibrate(run)  # of before the threshold, which is kept all the same
    assert both.facts.decision.objective == "f1" and both.facts.decision.temperature != 1
    assert np.array_equal(both.predictions.predicted, chosen.predictions.predicted)
    assert calibrate(str(run.folder), off=True).facts.decision.temperature == 1
    assert threshold(both, "none").facts.decision is None


def test_older_model_files_have_no_decision(small_run: Path) -> None:
    facts = json.loads(read_facts(small_run / "model.keras").to_json())
    assert "decision" not in facts
    assert ModelFacts.from_json(json.dumps(facts)).decision is None


@pytest.mark.parametrize(
    "decision",
    [
        {"temperature": 0, "offsets": [], "objective": ""},
        {"temperature": 1, "offsets": [1], "objective": ""},
        {"temperature": 1, "offsets": ["x", 0, 0], "objective": ""},
        {"temperature": 1e999, "offsets": [], "objective": ""},
        {"temperature": None, "offsets": [], "objective": ""},
        {"offsets": []},
        [],
        "f1",
        7,
    ],
)
def test_damaged_decisions_are_refused(decision: object, small_run: Path) -> None:
    facts = json.loads(read_facts(small_run / "model.keras").to_json())
    with pytest.raises(ValueError):
        ModelFacts.from_json(json.dumps({**facts, "decision": decision}))
