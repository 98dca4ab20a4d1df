"""Ensembles: rules against hand-made cases, the choice inside validation, leaks, and an ensemble as a run."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import small_config

from tfvision.cli import main
from tfvision.data.pixels.resize import Resize
from tfvision.ensembles.choose import choose_rule, fit_rules
from tfvision.ensembles.diversity import measure_diversity
from tfvision.ensembles.ensemble import ensemble
from tfvision.ensembles.objective import log_loss, make_objective
from tfvision.ensembles.recipe import read_recipe
from tfvision.ensembles.rules import RULES, Learned, best_member, why_skipped
from tfvision.ensembles.stacking import fit_stack
from tfvision.ensembles.weights import fit_accuracy, fit_greedy, fit_log_loss
from tfvision.errors import DataError, UsageError
from tfvision.evaluation.predictions import Predictions, read_predictions, write_predictions
from tfvision.export.hub.push import push
from tfvision.models.combination import Combination
from tfvision.models.model_file import ModelFacts
from tfvision.runs.ensemble import read_ensemble
from tfvision.runs.folder import open_run

NAMES = ("blue", "green", "red")


def draw_members(strengths: list[float], count: int, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities (m, n, K) of members that know the truth more or less well, and labels (n,)."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    logits = generator.normal(size=(len(strengths), count, classes))
    logits[:, np.arange(count), labels] += np.array(strengths)[:, None]
    powers = np.exp(logits)
    return powers / powers.sum(axis=2, keepdims=True), labels


# Three images, two classes: members at 0.9, 0.6 and 0.2 for the second class of the first image.
THREE = np.array([[[0.1, 0.9]], [[0.4, 0.6]], [[0.8, 0.2]]])


def test_combinations_by_hand() -> None:
    weights = (0.5, 0.25, 0.25)
    np.testing.assert_allclose(Combination("mean", weights).combine(THREE), [[0.35, 0.65]])
    powers = np.array([0.1**0.5 * 0.4**0.25 * 0.8**0.25, 0.9**0.5 * 0.6**0.25 * 0.2**0.25])
    np.testing.assert_allclose(Combination("geometric", weights).combine(THREE), [powers / powers.sum()])
    np.testing.assert_allclose(
        Combination.equal("vote", 3).combine(THREE), [[(1 + 1.3 / 6) / 3.5, (2 + 1.7 / 6) / 3.5]]
    )
    # Weights of one half on the logarithms of the first and last member: the geometric mean of the two.
    stack = Combination("stack", (1 / 3,) * 3, ((0.5, 0), (0, 0.5), (0, 0), (0, 0), (0.5, 0), (0, 0.5)), (0, 0))
    powers = np.sqrt([0.1 * 0.8, 0.9 * 0.2])
    np.testing.assert_allclose(stack.combine(THREE), [powers / powers.sum()])


@pytest.mark.parametrize("kind", ["vote", "mean", "geometric"])
def test_combinations_are_stored_whole(kind: str) -> None:
    one = Combination(kind, (0.2, 0.0, 0.8))  # type: ignore[arg-type]
    assert Combination.from_dict(json.loads(json.dumps(one.to_dict()))) == one
    assert one.counted() == [0, 2] and one.only([0, 2]).weights == (0.2, 0.8)
    np.testing.assert_allclose(one.combine(THREE).sum(axis=1), 1)


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "median", "weights": [1.0]},
        {"kind": "mean", "weights": [0.5, 0.6]},
        {"kind": "mean", "weights": [-0.5, 1.5]},
        {"kind": "mean", "weights": []},
        {"kind": "stack", "weights": [1.0], "coefficients": [[1.0]], "intercepts": [0.0, 0.0]},
        {"weights": [1.0]},
    ],
)
def test_damaged_combinations_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Combination.from_dict(values)


@pytest.mark.parametrize("kind", ["vote", "mean", "geometric", "stack"])
def test_attacks_see_the_combination_and_its_gradient(kind: str) -> None:
    """The logarithms that are attacked have the softmax that the ensemble predicts, and a gradient to every member."""
    import tensorflow as tf

    from tfvision.robustness.logits import combine_logarithms

    probabilities, labels = draw_members([1.5, 1.0], 40)
    weights = (0.5, 0.5) if kind == "vote" else (0.7, 0.3)
    one = fit_stack(probabilities, labels) if kind == "stack" else Combination(kind, weights)  # type: ignore[arg-type]
    logs = tf.constant(np.log(probabilities), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(logs)
        found = combine_logarithms(logs, one)
        odds = found[:, 0] - found[:, 1]
    np.testing.assert_allclose(tf.nn.softmax(found).numpy(), one.combine(probabilities), atol=1e-5)
    assert (np.abs(tape.gradient(odds, logs).numpy()).max(axis=(1, 2)) > 0).all()


def test_weights_of_the_least_log_loss() -> None:
    """Against a fine grid over the simplex; a member that only guesses gets nothing."""
    probabilities, labels = draw_members([2.0, 1.5, -0.5], 300)
    found = fit_log_loss(probabilities, labels)
    grid = [(a, b, 1 - a - b) for a in np.linspace(0, 1, 51) for b in np.linspace(0, 1 - a, 51)]
    best = min(log_loss(np.tensordot(weights, probabilities, axes=1), labels) for weights in grid)
    assert log_loss(found.combine(probabilities), labels) <= best + 1e-6
    assert found.weights[2] == 0


def test_weights_for_accuracy_are_at_least_as_good_as_where_they_start() -> None:
    probabilities, labels = draw_members([1.0, 0.8, 0.6, 0.4], 200)
    accuracy = make_objective("accuracy")
    found = accuracy(fit_accuracy(probabilities, labels).combine(probabilities), labels)
    starts = [
        Combination.equal("mean", 4),
        fit_log_loss(probabilities, labels),
        *(Combination.single(i, 4) for i in range(4)),
    ]
    assert found >= max(accuracy(each.combine(probabilities), labels) for each in starts)


def test_greedy_selection_by_hand() -> None:
    """The first member is right on three of four images, the second on the fourth too; a third says what the first says."""
    labels = np.array([0, 0, 0, 1])
    first = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.6, 0.4]])
    second = np.array([[0.6, 0.4], [0.4, 0.6], [0.4, 0.6], [0.1, 0.9]])
    found = fit_greedy(np.stack([first, second, first]), labels, make_objective("accuracy"))
    # Alone 3/4; with the second 4/4. Of equal ones the member that is in already is taken, so the third never is.
    assert (found.combine(np.stack([first, second, first])).argmax(axis=1) == labels).all()
    assert found.weights[2] == 0 and found.weights[0] > 0 and found.weights[1] > 0
    # The prefix that was best counts: where one member is perfect it stays alone.
    perfect = np.eye(2)[labels]
    assert fit_greedy(np.stack([first, perfect]), labels, make_objective("accuracy")).weights == (0.0, 1.0)


def test_stacking_mends_a_member_that_confuses_classes() -> None:
    """A member that always calls the first class the second and the other way round is worth as much as one that does not."""
    probabilities, labels = draw_members([3.0], 600)
    swapped = probabilities[:, :, [1, 0, 2]]
    found = fit_stack(swapped, labels)
    assert (swapped[0].argmax(axis=1) == labels).mean() < 0.45
    assert (found.combine(swapped).argmax(axis=1) == labels).mean() > 0.9
    two, labels = draw_members([2.0, 1.0], 500, classes=2)
    assert fit_stack(two, labels).combine(two).shape == (500, 2)


def test_stacking_needs_images() -> None:
    labels = np.arange(399) % 3
    assert "399 validation images are too few for stacking, which needs 400" in why_skipped("stack", labels, 3)
    assert "a class has 0 validation images" in why_skipped("stack", np.zeros(500, np.int64), 2)
    assert not why_skipped("stack", np.arange(400) % 3, 3) and not why_skipped("mean", labels, 3)


def test_the_choice_is_made_out_of_fold() -> None:
    """A rule that has learned the answers by heart promises nothing: it is judged on images it has not seen."""
    probabilities, labels = draw_members([1.5, 1.2, 1.0], 120)
    given = Learned(probabilities, labels, make_objective("accuracy"))
    found, skipped = fit_rules(given, list(RULES))
    assert list(skipped) == ["stack"]
    by_name = {each.rule: each for each in found}
    assert set(by_name) == set(RULES) - {"stack"}
    accuracy = make_objective("accuracy")
    for rule in ("weighted_accuracy", "greedy"):
        seen = accuracy(by_name[rule].combination.combine(probabilities), labels)[0]
        assert by_name[rule].expected["accuracy"] < seen, rule
    mean = Combination.equal("mean", 3).combine(probabilities)
    assert by_name["mean"].expected["accuracy"] == accuracy(mean, labels)[0]
    assert fit_rules(given, list(RULES))[0] == found, "a seed repeats it"


def test_the_best_member_is_chosen_where_nothing_promises_more() -> None:
    probabilities, labels = draw_members([6.0, -2.0, -2.0], 300)
    given = Learned(probabilities, labels, make_objective("accuracy"))
    assert best_member(given) == 0
    found, _ = fit_rules(given, ["best", "vote", "mean", "geometric"])
    assert choose_rule(found, "accuracy").rule == "best"
    assert choose_rule(found, "log_loss").rule == "best"


def test_accuracy_and_log_loss_ask_for_other_rules() -> None:
    """On weak and timid members the mean wins accuracy and a weight on the surest wins log loss."""
    probabilities, labels = draw_members([1.0, 1.0, 1.0], 600)
    probabilities[1:] = 0.9 / 3 + 0.1 * probabilities[1:]  # hardly surer than a guess, in the same order
    found, _ = fit_rules(Learned(probabilities, labels, make_objective("log_loss")), ["mean", "weighted", "geometric"])
    by_name = {each.rule: each.expected for each in found}
    assert by_name["weighted"]["log_loss"] < by_name["mean"]["log_loss"] - 0.05


def test_diversity_by_hand() -> None:
    labels = np.zeros(4, np.int64)
    predicted = np.array([[0, 0, 0, 1], [0, 0, 1, 1], [0, 1, 0, 1]])
    found = measure_diversity(predicted, labels, best=0)
    assert found.different == ((0, 0.25, 0.25), (0.25, 0, 0.5), (0.25, 0.5, 0))
    assert found.disagreement == pytest.approx((0.25 + 0.25 + 0.5) / 3)
    assert found.double_fault == pytest.approx((0.25 + 0.25 + 0.25) / 3)
    # Pairs: (2*1 - 0*1)/2 = 1 twice; both right once, both wrong once, one right once each: 0.
    assert found.q_statistic == pytest.approx(2 / 3)
    assert found.kohavi_wolpert == pytest.approx((0 + 2 + 2 + 0) / 4 / 9)
    assert found.oracle == 0.75 and found.all_right == 0.25 and found.rescued == 0
    flawless = measure_diversity(np.zeros((2, 4), np.int64), labels, best=0)
    assert flawless.rescued is None and flawless.q_statistic is None


def write_member(
    folder: Path, probabilities: np.ndarray, labels: np.ndarray, parts: np.ndarray, names: tuple[str, ...] = NAMES
) -> Path:
    """Write what an ensemble reads of a run: everything but the model itself."""
    folder.mkdir()
    ids = tuple(f"{name}.png" for name in range(len(labels)))
    facts = ModelFacts(names, Resize(8, 8), "small_cnn")
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        archive.writestr("tfvision.json", facts.to_json())
    rows = "".join(f"{i},{part},{names[k]},hash{i}\n" for i, part, k in zip(ids, parts, labels, strict=True))
    (folder / "splits.csv").write_text(f"id,part,label,hash\n{rows}")
    scored = np.flatnonzero(parts != "train")
    found = Predictions(ids, parts, labels, probabilities, names).select(scored)
    write_predictions(folder / "predictions.csv", found)
    (folder / "metrics.json").write_text('{"validation": {}, "test": {}}')
    (folder / "config.yaml").write_text("data: gone.zip\nseed: 0\n")
    return folder


def without_row(path: Path, image_id: str) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith(f"{image_id},")))


@pytest.fixture
def members(tmp_path: Path) -> list[Path]:
    """Three members on 100 training, 100 validation and 100 test images."""
    probabilities, labels = draw_members([1.5, 1.2, 1.0], 300)
    parts = np.repeat(["train", "validation", "test"], 100)
    return [write_member(tmp_path / name, probabilities[i], labels, parts) for i, name in enumerate("abc")]


def test_an_ensemble_is_a_run(members: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run = ensemble(*members, method="mean", output=tmp_path / "ens")
    said = capsys.readouterr().out
    assert "without a picture of the worst mistakes: no such data: gone.zip" in said
    expected = np.mean([read_predictions(path / "predictions.csv").probabilities for path in members], axis=0)
    found = read_predictions(run.folder / "predictions.csv")
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-8)
    assert run.metrics["test"]["n"] == 100 and run.metrics["validation"]["n"] == 100
    assert run.metrics["test"]["accuracy"] == (found.part("test").predicted == found.part("test").labels).mean()
    stored = read_ensemble(run.folder)
    assert [one.path for one in stored.members] == ["../a", "../b", "../c"]
    assert {each["name"] for each in stored.results["rules"]} == set(RULES) - {"stack"}
    page = (run.folder / "report.html").read_text()
    assert "Did combining pay?" in page and "Learning curves" not in page and "Train it again" not in page
    assert open_run(run.folder).facts.class_names == NAMES
    card = (run.folder / "MODEL_CARD.md").read_text("utf-8")
    assert "# Ensemble of 3 on gone.zip" in card and "These images chose the rule of the ensemble" in card
    assert "library_name: tfvision" in card and "| * mean |" not in card and "| \\* mean |" in card
    assert str(tmp_path) not in card and "| a | small_cnn |" in card and "tfvision ensemble a b c --method mean" in card
    assert "## Model and training" not in card and "took no part in training or in any choice" in card
    with pytest.raises(DataError, match="is an ensemble, whose one model is a SavedModel"):
        push(run, "me/ens", dry_run=True)
    with pytest.raises(UsageError, match="is an ensemble and has no model of its own"):
        run.model()


def test_every_rule_is_scored_and_the_chosen_one_is_in_use(members: list[Path], tmp_path: Path) -> None:
    run = ensemble(*members, output=tmp_path / "ens")
    stored = json.loads((run.folder / "ensemble.json").read_text())
    promised = {each["name"]: each["expected"]["accuracy"] for each in stored["rules"]}
    assert promised[stored["rule"]] == max(promised.values())
    used = next(each for each in stored["rules"] if each["name"] == stored["rule"])
    assert used["test"]["accuracy"] == run.metrics["test"]["accuracy"]
    best = next(each for each in stored["rules"] if each["name"] == "best")
    assert best["difference_to_best"]["accuracy"]["ci95"] == [0, 0]


@pytest.mark.slow
def test_classes_and_images_in_another_order_are_brought_together(members: list[Path], tmp_path: Path) -> None:
    plain = ensemble(*members, method="mean", output=tmp_path / "plain")
    second = read_predictions(members[1] / "predictions.csv")
    order, rows = [2, 0, 1], np.arange(len(second))[::-1]
    names = tuple(second.class_names[i] for i in order)
    turned = second.select(rows)
    turned = replace(
        turned, probabilities=turned.probabilities[:, order], class_names=names, labels=np.argsort(order)[turned.labels]
    )
    write_predictions(members[1] / "predictions.csv", turned)
    with zipfile.ZipFile(members[1] / "model.keras", "w") as archive:
        archive.writestr("tfvision.json", ModelFacts(names, Resize(8, 8), "x").to_json())
    mixed = ensemble(*members, method="mean", output=tmp_path / "mixed")
    one, other = (read_predictions(run.folder / "predictions.csv") for run in (plain, mixed))
    assert one.ids == other.ids and one.class_names == other.class_names
    np.testing.assert_array_equal(one.probabilities, other.probabilities)


@pytest.mark.parametrize("by", ["id", "hash"])
def test_a_member_that_learned_from_the_test_is_refused(members: list[Path], tmp_path: Path, by: str) -> None:
    """By its name, or as a copy under another name."""
    path = members[2] / "splits.csv"
    row = "250.png,train,green,other\n" if by == "id" else "copy.png,train,green,hash250.png\n"
    text = path.read_text()
    path.write_text(text.replace("250.png,test,green,hash250.png\n", row) if by == "id" else text + row)
    if by == "id":
        without_row(members[2] / "predictions.csv", "250.png")
    with pytest.raises(
        DataError, match=r"c was trained on 1 images that are validation or test images of .*: 250\.png"
    ):
        ensemble(*members, output=tmp_path / "ens")
    assert not (tmp_path / "ens").exists()


def test_other_images_labels_and_classes_are_refused(members: list[Path], tmp_path: Path) -> None:
    paths = [members[1] / name for name in ("predictions.csv", "splits.csv")]
    texts = [path.read_text() for path in paths]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text.replace("250.png,test,green", "250.png,test,red"))
    with pytest.raises(DataError, match=r"give 1 images other labels: 250\.png"):
        ensemble(*members, output=tmp_path / "ens")
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
        without_row(path, "250.png")
    with pytest.raises(DataError, match=r"says nothing about 1 test images of .*250\.png"):
        ensemble(*members, output=tmp_path / "ens")
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    splits = members[1] / "splits.csv"
    splits.write_text(splits.read_text().replace("hash250.png", "changed"))
    with pytest.raises(DataError, match=r"different images by the same id: 250\.png"):
        ensemble(*members, output=tmp_path / "ens")
    probabilities, labels = draw_members([1.0], 300)
    parts = np.repeat(["train", "validation", "test"], 100)
    write_member(tmp_path / "other", probabilities[0], labels, parts, ("blue", "green", "gray"))
    with pytest.raises(DataError, match=r"have other classes \(gray, red in only one of them\)"):
        ensemble(members[0], tmp_path / "other", output=tmp_path / "ens")


def test_folds_are_combined_on_images_held_out_of_all(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    probabilities, labels = draw_members([1.5, 1.2], 300)
    folds = []
    for number in range(2):
        parts = np.repeat(["train", "validation", "test", "held_out"], [100, 50, 50, 100])
        parts[:200] = np.roll(parts[:200], 100 * number)
        folds.append(write_member(tmp_path / f"fold_{number}", probabilities[number], labels, parts))
    run = ensemble(*folds, output=tmp_path / "ens")
    said = capsys.readouterr().out
    assert "no validation images that no member was trained on: the mean, which learns nothing" in said
    assert run.metrics["test"]["n"] == 100 and "validation" not in run.metrics
    with pytest.raises(DataError, match="--method greedy learns from validation images that no member was trained on"):
        ensemble(*folds, method="greedy", output=tmp_path / "other")
    plain = [folder / "splits.csv" for folder in folds]
    for path in plain:
        path.write_text(path.read_text().replace("held_out", ""))
        predictions = path.with_name("predictions.csv")
        lines = predictions.read_text().splitlines(keepends=True)
        predictions.write_text("".join(line for line in lines if ",held_out," not in line))
    with pytest.raises(DataError, match="was trained on 100 images that are validation or test images of"):
        ensemble(*folds, output=tmp_path / "other")


def test_too_few_and_unknown(members: list[Path], tmp_path: Path) -> None:
    for runs in ([], members[:1], [members[0], members[0]]):
        with pytest.raises(UsageError, match="two different runs or more"):
            ensemble(*runs, output=tmp_path / "ens")
    with pytest.raises(UsageError, match=r"method: expected one of choose, best.*did you mean vote"):
        ensemble(*members, method="voting")
    with pytest.raises(DataError, match="--method stack: 100 validation images are too few"):
        ensemble(*members, method="stack", output=tmp_path / "ens")
    with pytest.raises(UsageError, match="limit means nothing without --config"):
        ensemble(*members, limit=5)


def test_a_recipe_is_checked_before_anything_is_trained(tmp_path: Path) -> None:
    path = tmp_path / "ens.yaml"

    def refused(text: str) -> str:
        path.write_text(f"data: digits\nweights: none\nbackbone: small_cnn\n{text}")
        with pytest.raises(UsageError) as error:
            read_recipe(path, {}, {})
        return str(error.value)

    assert "expected a list of two or more members" in refused("members: [{epochs: 3}]")
    assert "members[1].epochs: expected 1 or more" in refused("members: [{name: a}, {name: b, epochs: 0}]")
    assert "two members are called a" in refused("members: [{name: a}, {name: a, epochs: 3}]")
    assert "a member needs a name" in refused("members: [{epochs: 3}, {name: b}]")
    assert "data and source are shared" in refused("members: [{name: a}, {name: b, data: other.zip}]")
    assert "each member has a folder of its own" in refused("members: [{name: a}, {name: b, output: x}]")
    assert "ensemble.method" in refused("members: [{name: a}, {name: b}]\nensemble: {method: average}")
    path.write_text(
        "data: digits\nweights: none\nbackbone: small_cnn\nseed: 4\nmembers: [{name: a}, {name: b, seed: 7}]\n"
    )
    found = read_recipe(path, {"limit": 90}, {"method": "mean"})
    assert [one.config.seed for one in found.members] == [4, 7] and found.options.seed == 4
    assert found.members[1].config.limit == 90 and found.options.method == "mean"
    assert main(["train", "--config", str(path)]) == 2


@pytest.mark.slow
def test_members_are_trained_combined_asked_and_exported(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """From a file to a SavedModel; the second member has another size, so that each must be resized in its own way."""
    from tfvision.config.yaml import to_yaml

    monkeypatch.chdir(tmp_path)
    shared = to_yaml(replace(small_config(colours, tmp_path), output=None, seed=3))
    members = "members:\n  - {name: a}\n  - {name: b, image_size: 20, seed: 9}\n  - {classifier: knn, augment: {vertical_flip: false}, head: {units: [], pooling: avg, dropout: 0}, phases: null}\n"
    Path("ens.yaml").write_text(f"{shared}{members}ensemble: {{method: mean}}\n")
    assert main(["ensemble", "--config", "ens.yaml", "--output", "out", "--quiet"]) == 0
    assert "Whether combining paid" in (said := capsys.readouterr().out) or "Combining" in said
    run = open_run("out/ensemble")
    images = Path("out/a/splits.csv").read_text()
    assert all(line in images for line in Path("out/ensemble/splits.csv").read_text().splitlines())
    assert main(["evaluate", "out/ensemble", "--data", str(colours), "--predictions", "again.csv", "--quiet"]) == 0
    again, stored = read_predictions("again.csv"), read_predictions(run.folder / "predictions.csv")
    assert "the model was trained on 48 and chosen by 6 of these 60 images" in capsys.readouterr().out
    rows = np.array([again.ids.index(name) for name in stored.ids])
    np.testing.assert_allclose(again.probabilities[rows], stored.probabilities, atol=2e-6)
    assert main(["attack", "out/ensemble", "--method", "fgsm", "--epsilon", "8", "--limit", "6", "--quiet"]) == 0
    assert json.loads((run.folder / "attack.json").read_text())["n"] == 6
    assert main(["threshold", "out/ensemble", "--objective", "f1"]) == 0
    assert main(["calibrate", "out/ensemble"]) == 0
    assert open_run("out/ensemble").facts.decision is not None
    assert main(["pseudo-label", "out/ensemble", "--data", str(colours)]) == 2
    assert "is an ensemble, which was not trained" in capsys.readouterr().err
    assert main(["export", "out/ensemble"]) == 0
    assert "compared with the ensemble's members in a fresh process" in capsys.readouterr().out
    assert main(["evaluate", "saved_models/ensemble", "--data", str(colours), "--quiet"]) == 0
    # A member that is calibrated later is another model.
    assert main(["calibrate", "out/a"]) == 0
    assert main(["predict", "out/ensemble", str(colours)]) == 3
    assert "make the ensemble again" in capsys.readouterr().err
    assert main(["ensemble", "--config", "ens.yaml", "--output", "out", "--resume"]) == 0


@pytest.mark.parametrize("verb", ["certify", "texture"])
def test_verbs_that_change_images_at_a_models_size_refuse_ensembles(
    members: list[Path], tmp_path: Path, verb: str, capsys: pytest.CaptureFixture
) -> None:
    ensemble(*members, output=tmp_path / "ens")
    words = [verb, str(tmp_path / "ens"), *(["--output", str(tmp_path / "t")] if verb == "texture" else [])]
    assert main(words) == 2
    assert "is an ensemble" in capsys.readouterr().err
