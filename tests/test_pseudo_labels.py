"""Pseudo-labels: who is kept, never outside of training, the same after a kill, and what they brought is said."""

import csv
import json
import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from conftest import COLOURS, small_config

from tfvision.cli import main
from tfvision.data.images.imageset import ImageSet
from tfvision.data.images.joined import join_images
from tfvision.data.sources.open import open_images
from tfvision.errors import RunError, UsageError
from tfvision.evaluation.predictions import read_predictions
from tfvision.experiment.train import train_from_config
from tfvision.models.classifier import build_classifier
from tfvision.models.freezing import open_layers
from tfvision.training import fit, labelling
from tfvision.training.history import History
from tfvision.training.logistic import fit_logistic_head, of_soft_labels
from tfvision.training.options import Phase, PseudoLabelOptions
from tfvision.training.phases import pseudo_label_phases, resolve_phases
from tfvision.training.pseudo_labels import choose_sure, read_pseudo_labels, thresholds_for
from tfvision.training.training import Training

PHASES = [
    Phase(name="first", epochs=3, learning_rate=1e-2),
    Phase(name="second", epochs=2, learning_rate=1e-2, pseudo_labels=True, restart=True),
]


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


# ---- who is kept


def test_an_image_is_kept_for_the_class_whose_threshold_it_reaches() -> None:
    """System B's separate cuts of the sigmoid, p <= 0.25 and p >= 0.5, are thresholds 0.75 and 0.5."""
    sigmoid = np.array([0.1, 0.24, 0.26, 0.49, 0.5, 0.9])
    kept, labels = choose_sure(np.stack([1 - sigmoid, sigmoid], axis=1), np.array([0.75, 0.5]), None)
    assert (kept.tolist(), labels.tolist()) == ([0, 1, 4, 5], [0, 0, 1, 1])


def test_of_several_thresholds_the_most_probable_class_counts_and_the_surest_are_taken() -> None:
    probabilities = np.array([[0.5, 0.4, 0.1], [0.3, 0.6, 0.1], [0.2, 0.1, 0.7], [0.3, 0.65, 0.05]])
    kept, labels = choose_sure(probabilities, np.array([0.3, 0.3, 2.0]), 1)
    assert (kept.tolist(), labels.tolist()) == ([0, 3], [0, 1])
    assert len(choose_sure(probabilities, np.full(3, 2.0), None)[0]) == 0


def test_classes_are_added_in_the_shares_that_they_have_among_the_labels() -> None:
    p = np.linspace(0.99, 0.51, 30)
    probabilities = np.concatenate([np.stack([p, 1 - p], axis=1), np.stack([1 - p, p], axis=1)[:10]])
    shares = np.array([0.75, 0.25])
    labels = choose_sure(probabilities, np.array([0.5, 0.5]), None, shares)[1]
    assert np.bincount(labels).tolist() == [30, 10]
    assert np.bincount(choose_sure(probabilities, np.array([0.5, 0.5]), 6, shares)[1]).tolist() == [6, 2]
    assert (
        len(choose_sure(probabilities, np.array([0.5, 2.0]), None, shares)[0]) == 0
    )  # none of one, so none of the other


def test_a_threshold_needs_evidence() -> None:
    """Of 20 right ones above a wrong one the precision by Laplace's rule is 21/22 = 0.954; of 10 it is 11/12."""
    for right, found in ((20, True), (10, False)):
        p = np.concatenate([np.linspace(0.99, 0.8, right), [0.7], np.linspace(0.3, 0.1, 10)])
        labels = np.concatenate([np.ones(right, int), np.zeros(11, int)])
        thresholds = thresholds_for(np.stack([1 - p, p], axis=1), labels, 0.95)
        assert (thresholds[1] == pytest.approx(0.8)) if found else thresholds[1] > 1


def test_joined_images_are_those_of_each_set(colours: Path, tmp_path: Path) -> None:
    files = open_images(colours)
    np.save(tmp_path / "images.npy", np.arange(3 * 16 * 16 * 3, dtype=np.uint32).reshape(3, 16, 16, 3).astype(np.uint8))
    arrays = open_images(tmp_path / "images.npy", labelled=False)
    arrays = replace(arrays, ids=tuple(f"x{i}" for i in range(3)), class_names=files.class_names)
    inner = join_images([arrays, files.select([1, 2])])
    joined = join_images([files.select([0]), inner]).select([5, 0, 2])
    assert joined.ids == (files.ids[2], files.ids[0], "x1")
    for index, (images, place) in enumerate([(files, 2), (files, 0), (arrays, 1)]):
        assert np.array_equal(joined.read(index), images.read(place))
        assert joined.read_bytes(index) == images.read_bytes(place)
    assert joined.labels.tolist() == [files.labels[2], files.labels[0], -1]


# ---- phases


def test_rounds_repeat_the_phases_of_a_run() -> None:
    phases = [Phase(name="head"), Phase(name="open", patience=3)]
    afresh = pseudo_label_phases(phases, 2, restart=True)
    assert [phase.name for phase in afresh] == ["head, round 1", "open, round 1", "head, round 2", "open, round 2"]
    assert [phase.restart for phase in afresh] == [True, False, True, False]
    assert all(phase.pseudo_labels and phase.patience is None for phase in afresh)
    assert [phase.name for phase in pseudo_label_phases([*phases, *afresh], 1, restart=False)] == ["open, round 1"]


@pytest.mark.parametrize(
    ("phases", "options", "message"),
    [
        (PHASES[1:], {"labels": 10}, "no model to label with"),
        (PHASES, {}, "no images without labels"),
        ([PHASES[0], replace(PHASES[1], patience=3)], {"labels": 10}, "would stop before it caught up"),
    ],
)
def test_phases_that_make_no_sense_are_refused(phases: list[Phase], options: dict, message: str) -> None:
    config = replace(small_config(Path("data"), Path("run")), phases=phases, pseudo=PseudoLabelOptions(**options))
    with pytest.raises(UsageError, match=message):
        resolve_phases(config, pretrained=False, linear_head=False)


@pytest.mark.parametrize("options", [{"thresholds": [0.5, 0.5]}, {"most": 5}])
def test_a_choice_among_images_that_are_all_added_is_refused(options: dict) -> None:
    with pytest.raises(UsageError, match=rf"pseudo\.{next(iter(options))} chooses images, and pseudo.soft adds all"):
        PseudoLabelOptions(soft=True, **options)


@pytest.mark.parametrize("options", [{"labels": 0}, {"precision": 1.0}, {"most": 0}, {"thresholds": [0.5, 1.5]}])
def test_options_out_of_range_are_refused(options: dict) -> None:
    with pytest.raises(UsageError, match=rf"pseudo\.{next(iter(options))}(\[1\])?: expected"):
        PseudoLabelOptions(**options)


def test_a_threshold_for_each_class_is_asked_for(colours: Path, tmp_path: Path) -> None:
    config = small_config(colours, tmp_path / "run", phases=PHASES)
    with pytest.raises(UsageError, match="2 thresholds for 3 classes"):
        train_from_config(replace(config, pseudo=PseudoLabelOptions(labels=20, thresholds=[0.5, 0.5])))
    assert not (tmp_path / "run").exists()


# ---- in a run


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory: pytest.TempPathFactory, colours: Path) -> Path:
    """12 images without labels, and a copy of each of three labelled ones."""
    folder = tmp_path_factory.mktemp("unlabelled")
    generator = np.random.default_rng(7)
    for number in range(12):
        pixels = np.array(COLOURS[("blue", "green", "red")[number % 3]]) + generator.integers(-30, 31, (16, 16, 3))
        cv2.imwrite(str(folder / f"{number:02}.png"), np.clip(pixels, 0, 255).astype(np.uint8))
    for name in ("blue", "green", "red"):
        (folder / f"copy_{name}.png").write_bytes((colours / name / f"{name}_000.png").read_bytes())
    return folder


@pytest.fixture(scope="module")
def pseudo_config(colours: Path, unlabelled: Path):
    options = PseudoLabelOptions(data=str(unlabelled), labels=24, thresholds=[0.0, 0.0, 0.0], keep_shares=False)
    return replace(small_config(colours, Path("unused")), phases=PHASES, pseudo=options)


@pytest.fixture(scope="module")
def pseudo_run(tmp_path_factory: pytest.TempPathFactory, pseudo_config) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "pseudo"
    seen: list[set[str]] = []
    fit_gradient = fit._fit_gradient

    def spy(training, phase, state, optimizer) -> None:
        seen.append(set(training.train.ids))
        assert not seen[-1] & set(training.validation.ids)
        fit_gradient(training, phase, state, optimizer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "_fit_gradient", spy)
        train_from_config(replace(pseudo_config, output=str(folder)))
    (folder.parent / "seen.json").write_text(json.dumps([sorted(ids) for ids in seen]))
    return folder


def test_only_training_grows(pseudo_run: Path, unlabelled: Path) -> None:
    """With a threshold of 0 every image is labelled: all hidden ones of training and all new ones, no copies."""
    first, second = (set(ids) for ids in json.loads((pseudo_run.parent / "seen.json").read_text()))
    parts = {row["id"]: row["part"] for row in rows(pseudo_run / "splits.csv")}
    train = {image_id for image_id, part in parts.items() if part == "train"}
    added = {row["id"] for row in rows(pseudo_run / "pseudo_labels.csv")}
    assert first < train and second == first | added
    assert added == (train - first) | {f"unlabelled/{number:02}.png" for number in range(12)}
    predictions = read_predictions(pseudo_run / "predictions.csv")
    assert not second & set(predictions.ids)
    test = [image_id for image_id, part in parts.items() if part == "test"]
    assert list(predictions.part("test").ids) == test  # whole, though labels are scarce
    # Each class keeps three labels in each part, so that there are a few more than asked for.
    assert 24 <= len(first) + len(predictions.part("validation")) <= 30


def test_what_was_added_and_what_it_brought_is_written(pseudo_run: Path) -> None:
    stored = json.loads((pseudo_run / "pseudo_labels.json").read_text())
    written = read_pseudo_labels(pseudo_run / "pseudo_labels.csv")
    for row in stored["added"]:
        mine = [one for one in written if one["label"] == row["class"]]
        known = [one for one in mine if one["truth"]]
        assert (row["phase"], row["added"], row["known"]) == ("second", len(mine), len(known))
        if known:
            assert row["true_precision"] == pytest.approx(np.mean([one["truth"] == one["label"] for one in known]))
    truth = {row["id"]: row["label"] for row in rows(pseudo_run / "splits.csv")}
    assert all(one["truth"] == truth.get(one["id"], "") for one in written)
    after = read_predictions(pseudo_run / "predictions.csv").part("test")
    accuracy = stored["test"]["scores"]["accuracy"]
    assert accuracy["second"] == pytest.approx(np.mean(after.predicted == after.labels))
    page = (pseudo_run / "report.html").read_text()
    assert "images, on which it was chosen</h3>" in page and "{{" not in page
    assert "Pseudo-labels" in page and f"{stored['test']['scores']['log_loss']['first']:.4f}" in page


@pytest.mark.slow
def test_a_run_killed_in_the_phase_ends_the_same(pseudo_run: Path, pseudo_config, tmp_path: Path) -> None:
    from tfvision.training.callbacks import EpochRecorder

    config = replace(pseudo_config, output=str(tmp_path / "run"))
    on_epoch_end = EpochRecorder.on_epoch_end

    def killed(self, epoch, logs=None) -> None:
        on_epoch_end(self, epoch, logs)
        if self.phase.name == "second":
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(EpochRecorder, "on_epoch_end", killed)
        train_from_config(config)
    train_from_config(config, resume=tmp_path / "run")
    for name in ("predictions.csv", "pseudo_labels.csv", "pseudo_labels.json"):
        assert (tmp_path / "run" / name).read_bytes() == (pseudo_run / name).read_bytes()


def test_soft_labels_are_the_probabilities_of_all_images(pseudo_config, tmp_path: Path) -> None:
    """The training part grows by all images without labels, and each is learned with what the model said of it."""
    learned: list[ImageSet] = []
    fit_gradient = fit._fit_gradient

    def spy(training, phase, state, optimizer) -> None:
        learned.append(training.train)
        fit_gradient(training, phase, state, optimizer)

    options = PseudoLabelOptions(data=pseudo_config.pseudo.data, labels=24, soft=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "_fit_gradient", spy)
        train_from_config(replace(pseudo_config, pseudo=options, output=str(tmp_path / "run")))
    first, second = learned
    written = read_pseudo_labels(tmp_path / "run" / "pseudo_labels.csv")
    shares = np.array([[row[f"p_{name}"] for name in ("blue", "green", "red")] for row in written], np.float32)
    assert first.soft_labels is None and second.soft_labels is not None and len(second) == len(first) + len(written)
    np.testing.assert_array_equal(second.soft_labels[: len(first)], np.eye(3, dtype=np.float32)[first.labels])
    np.testing.assert_array_equal(second.soft_labels[len(first) :], shares)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert [row["label"] for row in written] == [("blue", "green", "red")[k] for k in shares.argmax(axis=1)]


def test_a_linear_head_fits_soft_labels(colours: Path) -> None:
    """Labels of 0.9 and 0.1 are nine images of the one class and one of the other."""
    model = build_classifier("small_cnn", num_classes=2, image_size=16, weights="none", channels=3)
    generator = np.random.default_rng(3)
    features = generator.normal(size=(40, model.get_layer("head_probabilities").input.shape[-1])).astype(np.float32)
    sure = (features[:, 0] > 0).astype(int)
    soft = np.where(sure == 1, 0.9, 0.1).astype(np.float32)
    repeated = np.repeat(features, 10, axis=0)
    labels = np.concatenate([[k] * 9 + [1 - k] for k in sure])
    fit_logistic_head(model, repeated, labels, sample_weight=np.full(400, 0.1), seed=0)
    expected = model.get_layer("head_probabilities").get_weights()
    fit_logistic_head(model, *of_soft_labels(features, soft[:, None], None), seed=0)
    for one, other in zip(model.get_layer("head_probabilities").get_weights(), expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_cross_fitting_asks_each_model_about_images_it_did_not_learn(colours: Path) -> None:
    """Neither it nor an image of its group."""
    images = open_images(colours)
    images = replace(images, groups=np.array([f"{k}{i % 20 // 2}" for i, k in enumerate(images.labels)]))
    group_of = dict(zip(images.ids, images.groups, strict=True))
    order = np.random.default_rng(0).permutation(len(images))
    train, validation = images.select(order[10:]), images.select(order[:10])
    model, settings = SimpleNamespace(variables=[]), SimpleNamespace(seed=1)
    training = Training(model, train, validation, settings, History("val_loss"))
    asked: list[set[str]] = []
    learned: list[set[str]] = []

    def predict(part, chosen: ImageSet, what: str) -> np.ndarray:
        asked.append(set(chosen.ids))
        return np.eye(3)[chosen.labels]

    def fit_afresh(part) -> None:
        learned.append(set(part.train.ids))
        assert not learned[-1] & set(part.validation.ids)
        learned[-1] |= set(part.validation.ids)
        assert len(set(part.validation.labels)) == 3

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labelling, "_predict", predict)
        probabilities, labels = labelling.cross_fitted(training, fit_afresh)
    assert len(asked) == 5 and sum(map(len, asked)) == len(images) and set().union(*asked) == set(images.ids)
    assert all(not one & other and len(one | other) == len(images) for one, other in zip(asked, learned, strict=True))
    for one, other in zip(asked, learned, strict=True):
        assert not {group_of[image_id] for image_id in one} & {group_of[image_id] for image_id in other}
    np.testing.assert_array_equal(probabilities.argmax(axis=1), labels)
    np.testing.assert_array_equal(labels, [*train.labels, *validation.labels])


def test_where_no_image_is_added_the_model_stays(small_run: Path, unlabelled: Path, tmp_path: Path, capsys) -> None:
    """A precision of 0.99 needs 98 images of a class, all of them right; there are fewer, so nothing is trained for it."""
    output = tmp_path / "new"
    words = ["--data", str(unlabelled), "--precision", "0.99", "--output", str(output)]
    assert main(["pseudo-label", str(small_run), *words]) == 0
    said = capsys.readouterr().out
    assert "a precision of 0.99 needs 98 labelled images of a class" in said and "cross-fitting" not in said
    assert "no image is added, so the phase is left out" in said
    assert "train, round 1: red none added" in said
    assert rows(output / "history.csv") == rows(small_run / "history.csv")
    assert (output / "predictions.csv").read_bytes() == (small_run / "predictions.csv").read_bytes()


@pytest.mark.slow
def test_thresholds_that_validation_is_too_small_for_are_cross_fitted_once(
    small_run: Path, unlabelled: Path, tmp_path: Path, capsys
) -> None:
    """Five images of a class in validation show no precision of 0.9, twenty labelled ones may; two rounds share the folds."""
    output = tmp_path / "new"
    words = ["--data", str(unlabelled), "--precision", "0.9", "--rounds", "2", "--output", str(output)]
    assert main(["pseudo-label", str(small_run), *words]) == 0
    assert capsys.readouterr().out.count("cross-fitting them, fold 1 of 5") == 1
    splits = [row for row in rows(output / "splits.csv") if row["part"] in ("train", "validation")]
    assert np.load(output / "cross_fitted.npy").shape == (len(splits), 3)


def test_where_classes_are_too_rare_no_threshold_is_made_up(colours: Path, tmp_path: Path, capsys) -> None:
    """Classes of three images cannot be divided into folds that each learns: a line instead of a traceback."""
    images = open_images(colours)
    few = images.select([i for k in range(3) for i in np.flatnonzero(images.labels == k)[:3]])
    training = SimpleNamespace(train=few.select(few.labels >= 0), validation=few.select([0]))
    pseudo = SimpleNamespace(options=PseudoLabelOptions(precision=0.6), cross_fitted=tmp_path / "none.npy")
    assert labelling._cross_fitted(training, pseudo, lambda part: None) is None
    assert "no thresholds" in capsys.readouterr().out


def test_a_fold_that_diverges_leaves_the_model_of_the_run_alone(colours: Path) -> None:
    model = build_classifier("small_cnn", num_classes=3, image_size=16, weights="none", channels=3)
    images, before = open_images(colours), model.get_weights()
    training = Training(model, images, images.select([0, 10, 20]), SimpleNamespace(seed=1), History("val_loss"))
    training = replace(training, train=images.select([i for i in range(len(images)) if i not in (0, 10, 20)]))

    def diverge(part: Training) -> None:
        part.model.set_weights([weight + 1 for weight in before])
        raise RunError("the loss became NaN")

    with pytest.raises(RunError):
        labelling.cross_fitted(training, diverge)
    for own, kept in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(own, kept)


def test_the_phases_of_a_round_share_labels_and_weights() -> None:
    first, second, third = Phase(name="a"), Phase(name="b", pseudo_labels=True, restart=True), Phase(pseudo_labels=True)
    assert [labelling.in_one_round([first, second, third, third, second], place) for place in range(5)] == [
        *(False, False, True, True, False)
    ]
    assert not labelling.in_one_round([first, third], 1)  # --go-on: each phase is a round


def test_best_weights_after_a_restart_are_all_of_one_model() -> None:
    """Frozen layers are kept from the best epoch before, unless a restart has moved them since."""
    model = build_classifier("small_cnn", num_classes=2, image_size=16, weights="none", channels=3)
    history = History("val_loss")
    training = Training(model, None, None, None, history)
    training.keep_best()
    trained = [weight + 1 for weight in model.get_weights()]
    open_layers(model, "none")
    model.set_weights(trained)
    history.frozen_moved = True
    training.keep_best()
    for kept, own in zip(history.best_weights, trained, strict=True):
        np.testing.assert_array_equal(kept, own)


@pytest.mark.slow
def test_the_verb_gives_the_same_bits_twice(small_run: Path, unlabelled: Path, tmp_path: Path) -> None:
    """In two processes' order of things: numbers are drawn between the two."""
    written = []
    for name in ("one", "two"):
        words = ["--data", str(unlabelled), "--thresholds", "[0, 0, 0]", "--keep-shares", "false"]
        assert main(["pseudo-label", str(small_run), "--output", str(tmp_path / name), *words]) == 0
        written.append((tmp_path / name / "predictions.csv").read_bytes())
        random.random()
    assert written[0] == written[1]


def test_the_verb_goes_on_with_a_finished_run(small_run: Path, unlabelled: Path, tmp_path: Path, capsys) -> None:
    output = tmp_path / "new"
    words = [
        "--data",
        str(unlabelled),
        "--thresholds",
        "[0.4, 0.4, 0.4]",
        "--most",
        "2",
        "--go-on",
        "--keep-shares",
        "false",
    ]
    assert main(["pseudo-label", str(small_run), "--output", str(output), *words]) == 0
    assert "with (difference with its 95 % interval)" in capsys.readouterr().out
    was, now = rows(small_run / "history.csv"), rows(output / "history.csv")
    assert now[: len(was)] == was and len(now) > len(was)
    assert {row["phase"] for row in now[len(was) :]} == {"train, round 1"}
    before = read_predictions(small_run / "predictions.csv").part("test")
    stored = json.loads((output / "pseudo_labels.json").read_text())
    assert stored["test"]["scores"]["accuracy"]["first"] == pytest.approx(np.mean(before.predicted == before.labels))
    assert max(row["added"] for row in stored["added"]) == 2
    assert main(["pseudo-label", str(small_run), "--output", str(output), *words]) == 2
    assert "exists already" in capsys.readouterr().err
