"""Localization from end to end: one pipeline, one trainer, one run folder and one exporter with classification."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from conftest import small_config
from PIL import Image

from tfvision.cli import main
from tfvision.data.augmentation.options import Augmentation
from tfvision.data.batches.pipeline import evaluation_batches, training_batches
from tfvision.data.batches.targets import targets_of
from tfvision.data.boxes.geometry import box_ious
from tfvision.data.images.imageset import ImageSet
from tfvision.data.images.scan import scan
from tfvision.data.options import ResizeOptions, SplitOptions
from tfvision.data.pixels.resize import Resize
from tfvision.data.sources.open import open_images
from tfvision.errors import DataError, UsageError
from tfvision.evaluation.box_predictions import SIDES, read_box_predictions
from tfvision.experiment.train import train_from_config
from tfvision.models.model_file import ModelFacts
from tfvision.models.options import BoxOptions, HeadOptions, SmallCnnOptions
from tfvision.notebook import images as drawn_images
from tfvision.prediction.answers import predict_boxes
from tfvision.prediction.predictors import KerasPredictor
from tfvision.prediction.stored import load_predictor
from tfvision.runs.folder import open_run
from tfvision.training.options import Phase


def write_shapes(folder: Path, count: int = 60) -> Path:
    """Write dark images of odd sizes, each with a bright disc or square; every fourth is stored turned by EXIF."""
    generator = np.random.default_rng(0)
    folder.mkdir(parents=True)
    rows = []
    for number in range(count):
        height, width = generator.integers(33, 70, 2)
        pixels = generator.integers(0, 40, (height, width, 3), dtype=np.uint8)
        side = int(generator.integers(12, 26))
        left, top = int(generator.integers(0, width - side + 1)), int(generator.integers(0, height - side + 1))
        kind = ("disc", "square")[number % 2]
        if kind == "disc":
            cv2.circle(pixels, (left + side // 2, top + side // 2), side // 2, (230, 220, 90), -1)
        else:
            pixels[top : top + side, left : left + side] = 90, 220, 230
        exif = Image.Exif()
        exif[274] = 6 if number % 4 == 0 else 1
        Image.fromarray(pixels).save(folder / f"{number:03}.png", exif=exif)
        rows.append((f"{number:03}.png", kind, left, top, left + side, top + side))
    with (folder / "boxes.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "label", *SIDES), *rows])
    return folder


def box_config(data: Path, output: Path, **changes):
    options = {
        "task": "localize",
        "augment": Augmentation(vertical_flip=True, shift=0.1),
        "optimizer": "adamw",
        "image_size": 32,
        "small_cnn": SmallCnnOptions(filters=[8, 16], kernel_size=3, pools=[2, 2]),
        "head": HeadOptions(dropout=0.0),
        "box": BoxOptions(head="grid", grid=8),
        "resize": ResizeOptions(mode="pad"),
        "split": SplitOptions(validation=0.2, test=0.2),
        "phases": [Phase(epochs=12, learning_rate=3e-3, schedule="plateau", factor=0.3)],
    }
    return small_config(data, output, **{**options, **changes})


@pytest.fixture(scope="session")
def shapes(tmp_path_factory) -> Path:
    return write_shapes(tmp_path_factory.mktemp("shapes") / "shapes")


@pytest.fixture(scope="session")
def box_run(tmp_path_factory, shapes) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "boxes"
    train_from_config(box_config(shapes, folder))
    return folder


@pytest.fixture(scope="session")
def both_run(tmp_path_factory, shapes) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "both"
    train_from_config(
        box_config(
            shapes, folder, task="localize+classify", monitor="val_iou", balance="oversample",
            box=BoxOptions(loss="smooth_l1+giou", head="spatial", filters=8), resize=ResizeOptions(mode="crop"),
            phases=[Phase(epochs=3, learning_rate=3e-3)],
        )
    )  # fmt: skip
    return folder


def test_a_run_leaves_what_a_classification_leaves(box_run, small_run):
    files = {path.name for path in box_run.iterdir()}
    assert files == {path.name for path in small_run.iterdir()}
    plots = {path.stem for path in (box_run / "plots").iterdir()}
    assert plots == {
        *("learning_curves", "class_samples", "augmented_samples"),
        *("iou_histogram", "box_samples", "worst_boxes"),
    }
    header = (box_run / "history.csv").read_text().splitlines()[0]
    assert header.startswith("epoch,phase,learning_rate,loss,iou,iou_50,val_loss,val_iou,val_iou_50")
    assert "val_loss" in (box_run / "config.yaml").read_text()


def test_it_learns_more_than_its_baselines_know(box_run):
    scores = json.loads((box_run / "metrics.json").read_text())["test"]
    best = max(found["mean_iou"] for found in scores["baselines"].values())
    assert set(scores["baselines"]) == {"mean_box", "centred_box", "whole_image", "random_box"}
    assert scores["mean_iou"] > best + 0.1
    assert scores["ci95"]["mean_iou"][0] < scores["mean_iou"] < scores["ci95"]["mean_iou"][1]


def test_predictions_are_in_stored_pixels(box_run, shapes):
    """Also of images that EXIF turns: the truth in the file is what the CSV says."""
    with (shapes / "boxes.csv").open() as file:
        given = {row["file"]: [float(row[side]) for side in SIDES] for row in csv.DictReader(file)}
    found = read_box_predictions(box_run / "predictions.csv")
    for image_id, truth, size in zip(found.ids, found.truth, found.sizes, strict=True):
        np.testing.assert_allclose(truth, given[image_id], atol=1e-3)
        with Image.open(shapes / image_id) as image:
            assert tuple(size) == image.size
    turned = [index for index, image_id in enumerate(found.ids) if int(image_id[:3]) % 4 == 0]
    assert len(turned) >= 3
    # The model would be blind to the turn if its boxes were not turned back: then these would be far worse.
    assert found.ious[turned].mean() > 0.6 * found.ious.mean()


@pytest.mark.parametrize("mode", ["stretch", "pad"])
def test_boxes_survive_from_the_source_to_the_prediction(shapes, mode):
    """What a perfect model says at its size comes back as the numbers of the CSV: odd sizes, files turned by EXIF."""
    with (shapes / "boxes.csv").open() as file:
        given = {row["file"]: [float(row[side]) for side in SIDES] for row in csv.DictReader(file)}
    images, resize = scan(open_images(shapes, boxes=True)).images, Resize(47, 32, mode=mode)
    assert (images.frames[:, 2] == 6).sum() == 15

    def perfect(of: ImageSet, what: str) -> np.ndarray:
        boxes, _ = targets_of(of, "localize", resize).numbers(np.arange(len(of)))
        return boxes  # float32, as a model gives them

    facts = ModelFacts((), resize, "perfect", task="localize", training_boxes=((0.0, 0.0, 1.0, 1.0),))
    found = predict_boxes(KerasPredictor(None, facts, run=perfect), images)
    np.testing.assert_allclose(found.predicted, [given[image_id] for image_id in found.ids], atol=0.01)


def test_the_report_tells_of_boxes(box_run, both_run):
    page = (box_run / "report.html").read_text()
    scores = json.loads((box_run / "metrics.json").read_text())["test"]
    assert f"<strong>{scores['mean_iou']:.3f}</strong>" in page
    assert "mean box of training" in page and "any training box" in page
    assert "Confusion matrix" not in page and "--draw" in page
    assert page.count("data:image/") == 6
    page = (both_run / "report.html").read_text()
    assert "Confusion matrix" in page and "mean box of training" in page


def test_the_card_tells_of_boxes(box_run, both_run):
    card = (box_run / "MODEL_CARD.md").read_text("utf-8")
    scores = json.loads((box_run / "metrics.json").read_text())["test"]
    low, high = scores["ci95"]["mean_iou"]
    assert f"| Mean IoU | {scores['mean_iou']:.4f} | {low:.4f} to {high:.4f} |" in card
    assert "pipeline_tag: object-detection" in card and "exactly one box, also if it shows no such object" in card
    assert "| mean box of training |" in card and "### By class" not in card
    group = next(each for each in scores["by_size"] if each["n"])
    assert f"| {group['name']} | {group['n']} | {group['mean_iou']:.4f} | {group['ci95']['mean_iou'][0]:.4f} to" in card
    both = (both_run / "MODEL_CARD.md").read_text("utf-8")
    assert "### By class" in both and "type: image-classification" in both and "and one of these classes" in both


def test_evaluate_agrees_with_the_run(box_run, both_run, shapes, tmp_path):
    for run in (box_run, both_run):
        test = [row["id"] for row in open_run(run).splits if row["part"] == "test"]
        for image_id in test:
            (tmp_path / run.name).mkdir(exist_ok=True)
            (tmp_path / run.name / image_id).write_bytes((shapes / image_id).read_bytes())
        rows = (shapes / "boxes.csv").read_text().splitlines()
        kept = [rows[0], *(row for row in rows if row.split(",")[0] in test)]
        (tmp_path / run.name / "boxes.csv").write_text("\n".join(kept))
        output = tmp_path / "scores.json"
        assert main(["evaluate", str(run), "--data", str(tmp_path / run.name), "--output", str(output)]) == 0
        found, expected = json.loads(output.read_text()), open_run(run).metrics["test"]
        assert found["mean_iou"] == pytest.approx(expected["mean_iou"], abs=1e-5)
        for name, scores in expected["baselines"].items():
            assert found["baselines"][name] == pytest.approx(scores, abs=1e-5)
    assert found["classes"]["accuracy"] == expected["classes"]["accuracy"]


def test_a_notebook_shows_boxes_true_and_worst(box_run, shapes):
    """Of the images of a source, also those that EXIF turns, and of a run."""
    images = open_images(shapes, boxes=True)
    with (shapes / "boxes.csv").open() as file:
        given = {row["file"]: [int(row[side]) for side in SIDES] for row in csv.DictReader(file)}
    orange = np.array([230, 159, 0])
    for row in (0, 1, 2):  # the first is turned by a quarter, clockwise
        plain, boxed = images.read(row), drawn_images._boxed(images, row, images.read(row))
        changed = (plain != boxed).any(axis=2)
        ys, xs = np.nonzero((boxed == orange).all(axis=2) & changed)
        found = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
        height, width = plain.shape[:2]
        xmin, ymin, xmax, ymax = given[images.ids[row]]
        expected = (width - ymax, xmin, width - ymin, xmax) if row == 0 else (xmin, ymin, xmax, ymax)
        np.testing.assert_allclose(found, np.clip(expected, 0, [width, height] * 2), atol=2)
    assert images._repr_html_().count("<img ") == 12
    plain = replace(images, given=None)
    assert images.show(2)._repr_html_() != plain.show(2)._repr_html_()
    scanned = scan(images[1:2]).images
    assert (drawn_images._boxed(scanned, 0, scanned.read(0)) == drawn_images._boxed(images, 1, images.read(1))).all()
    run = open_run(box_run)
    worst = run.show_mistakes()
    assert worst._repr_html_().count('alt="the worst boxes"') == 1 and "worst boxes" in repr(worst)
    assert run._repr_html_().count('alt="the worst boxes"') == 1


def test_predict_writes_boxes_and_draws_them(box_run, both_run, shapes, tmp_path, capsys):
    output, drawn = tmp_path / "p.csv", tmp_path / "drawn"
    assert main(["predict", str(box_run), str(shapes), "--output", str(output), "--draw", str(drawn)]) == 0
    found, known = read_box_predictions(output), read_box_predictions(box_run / "predictions.csv")
    places = [found.ids.index(image_id) for image_id in known.ids]
    np.testing.assert_allclose(found.predicted[places], known.predicted, atol=1e-2)
    assert (found.predicted >= 0).all() and (found.predicted[:, 2:] <= found.sizes).all()
    assert len(list(drawn.glob("*.jpg"))) == len(found) == 60
    before, after = cv2.imread(str(shapes / "000.png")), cv2.imread(str(drawn / "000.jpg"))
    assert before.shape == after.shape and np.abs(before.astype(int) - after).max() > 100
    capsys.readouterr()
    assert main(["predict", str(both_run), str(shapes / "001.png")]) == 0
    words = capsys.readouterr().out.split()
    assert words[0] == "001.png" and len(words) == 7 and words[5] in ("disc", "square") and 0.5 <= float(words[6]) <= 1


def test_a_classifier_draws_no_boxes(small_run, colours, capsys):
    assert main(["predict", str(small_run), str(colours), "--draw", "somewhere"]) == 2
    assert "finds none" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["box_run", "both_run"])
def test_the_export_gives_boxes_in_pixels(name, request, shapes, tmp_path, capsys):
    import tensorflow as tf

    run = request.getfixturevalue(name)
    assert main(["export", str(run), "--output", str(tmp_path / "saved")]) == 0
    assert "compared with model.keras" in capsys.readouterr().out
    exported, ours = load_predictor(tmp_path / "saved"), load_predictor(run)
    images = scan(open_images(shapes, labelled=False), frames=True).images.select(range(8))
    found, expected = predict_boxes(exported, images), predict_boxes(ours, images)
    np.testing.assert_allclose(found.predicted, expected.predicted, atol=1e-2)
    served = tf.saved_model.load(str(tmp_path / "saved" / "1")).signatures["serve_bytes"]
    data = [images.read_bytes(1), images.read_bytes(2)]  # of two sizes
    boxes = served(encoded=tf.constant(data))["box"].numpy()
    np.testing.assert_allclose(boxes, expected.predicted[1:3], atol=0.5)


def test_a_plain_keras_model_is_saved(box_run, both_run):
    assert keras.saving.load_model(box_run / "model.keras").output_shape == (None, 4)
    outputs = keras.saving.load_model(both_run / "model.keras").output
    assert {name: tuple(output.shape) for name, output in outputs.items()} == {
        "box": (None, 4),
        "probabilities": (None, 1),
    }


@pytest.mark.slow
def test_a_resumed_run_ends_with_the_same_weights(shapes, tmp_path, monkeypatch):
    from tfvision.training import callbacks

    config = box_config(shapes, tmp_path / "whole", phases=[Phase(epochs=3, learning_rate=3e-3)])
    train_from_config(config)
    real, seen = callbacks.record_epoch, []

    def stop(training, row):
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(row)
        return real(training, row)

    monkeypatch.setattr(callbacks, "record_epoch", stop)
    with pytest.raises(KeyboardInterrupt):
        train_from_config(replace(config, output=str(tmp_path / "cut")))
    monkeypatch.setattr(callbacks, "record_epoch", real)
    assert main(["train", "--resume", str(tmp_path / "cut")]) == 0
    first, second = (open_run(tmp_path / name).model().get_weights() for name in ("whole", "cut"))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_resume_refuses_other_boxes(box_run, shapes, tmp_path):
    from tfvision.runs.resume import check_data

    run = open_run(box_run)
    rows = [dict(row) for row in run.splits]
    check_data(run, rows)
    rows[3]["box"] = "1 2 3 4"
    with pytest.raises(DataError, match="another box"):
        check_data(run, rows)


def test_boxes_that_leave_the_image_are_not_trained_on(shapes):
    images = scan(open_images(shapes, boxes=True)).images
    resize = Resize(32, 32, mode="pad")
    batches = training_batches(
        images, resize=resize, batch_size=60, seed=0, epochs=1, task="localize", augmentation=Augmentation(shift=1.0)
    )
    pixels, boxes, weights = next(iter(batches.dataset))
    boxes, weights = boxes.numpy(), weights.numpy()
    assert set(weights) == {0.0, 1.0}
    assert boxes.min() >= 0 and boxes.max() <= 1
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    assert areas[weights == 1].min() > 0
    bright = (pixels.numpy().max(axis=-1) > 120).sum(axis=(1, 2))
    assert (bright[weights == 1] > 0).all()


def test_batches_of_validation_hold_the_boxes(shapes):
    images = scan(open_images(shapes, boxes=True)).images
    resize = Resize(48, 32)
    pixels, targets, weights = next(
        iter(evaluation_batches(images, resize=resize, batch_size=60, task="localize+classify"))
    )
    assert sorted(targets) == sorted(weights) == ["box", "probabilities"]
    boxes = targets["box"].numpy() * [32, 48, 32, 48]
    for picture, box in zip(pixels.numpy(), boxes, strict=True):
        rows, columns = np.nonzero(picture.max(axis=-1) > 130)
        seen = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert box_ious(seen, box) > 0.7
    with pytest.raises(DataError, match="have no boxes"):
        evaluation_batches(open_images(shapes), resize=resize, batch_size=4, task="localize")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "classify", "monitor": "val_iou"}, "val_iou is of boxes"),
        ({"task": "localize", "monitor": "val_f1"}, "val_f1 is of classes"),
        ({"task": "localize", "balance": "oversample"}, "does not go with task localize"),
        ({"task": "localize+classify", "balance": "class_weights"}, "use none or oversample"),
        ({"phases": [Phase(solver="logistic_regression", unfreeze="none")]}, "logistic_regression finds classes"),
        ({"augment": Augmentation(rand_magnitude=0.3, engine="keras")}, "moves pixels and leaves their boxes"),
    ],
)
def test_what_means_nothing_for_a_task_is_refused(shapes, tmp_path, changes, message):
    with pytest.raises(UsageError, match=message):
        train_from_config(box_config(shapes, tmp_path / "run", **changes))
    assert not (tmp_path / "run").exists()


def test_one_class_needs_no_second_and_rare_classes_no_third_image(shapes, tmp_path, capsys):
    rows = (shapes / "boxes.csv").read_text().splitlines()
    (tmp_path / "data").mkdir()
    for row in rows[1:25]:
        name = row.split(",")[0]
        (tmp_path / "data" / name).write_bytes((shapes / name).read_bytes())
    (tmp_path / "data" / "boxes.csv").write_text("\n".join([rows[0], rows[1].replace("disc", "ring"), *rows[2:25]]))
    train_from_config(box_config(tmp_path / "data", tmp_path / "run"), dry_run=True)
    said = capsys.readouterr().out
    assert "too few images of ring (1)" in said and "dry run: one batch passed" in said


def test_a_model_from_python(shapes, tmp_path):
    import tfvision

    images = tfvision.open_images(shapes, boxes=True)
    model = tfvision.build_localizer(
        "small_cnn",
        image_size=32,
        weights="none",
        head_pooling="flatten",
        backbone_options={"filters": [4], "kernel_size": 3},
    )
    phases = [{"epochs": 1, "learning_rate": 1e-3}]
    run = tfvision.train(model, images, phases=phases, output=tmp_path / "run", augment={"horizontal_flip": False})
    assert run.config.task == "localize" and run.metrics["test"]["n"] == 6
    with pytest.raises(UsageError, match="boxes=True"):
        tfvision.train(model, tfvision.open_images(shapes), phases=phases, output=tmp_path / "other")


def test_facts_without_boxes_are_refused(box_run):
    text = json.loads(open_run(box_run).facts.to_json())
    assert ModelFacts.from_json(json.dumps(text)) == open_run(box_run).facts
    with pytest.raises(ValueError, match="training_boxes"):
        ModelFacts.from_json(json.dumps({**text, "training_boxes": []}))


@pytest.mark.slow
@pytest.mark.parametrize("views", ["exact", "3"])
def test_stored_features_carry_the_boxes_of_their_views(shapes, tmp_path, views):
    """Training on stored features of a frozen part ends where training on the images themselves does."""
    weights = []
    for cache in ("float32", "none"):
        phases = [Phase(epochs=2, learning_rate=1e-2, unfreeze="none", views=views)]
        augment = Augmentation(vertical_flip=True, shift=0.0 if views == "exact" else 0.3)
        config = box_config(shapes, tmp_path / cache, phases=phases, augment=augment, cache=cache)
        train_from_config(config)
        weights.append(open_run(tmp_path / cache).model().get_layer("head_box").get_weights())
    for one, other in zip(*weights, strict=True):
        assert np.abs(one).max() > 1e-3
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.slow
def test_crossval_scores_boxes(shapes, tmp_path, capsys):
    from tfvision.crossval.crossval import cross_validate

    phases = [Phase(epochs=1, learning_rate=1e-2, unfreeze="none", views="exact")]
    config = box_config(shapes, tmp_path / "cv", phases=phases, augment=Augmentation(), cache="float32")
    (found,) = cross_validate(config, backbones=["small_cnn"], folds=2)
    together = read_box_predictions(tmp_path / "cv" / "predictions.csv")
    assert len(together) == 60 and set(together.parts) == {"fold_1", "fold_2"}
    assert found.together["mean_iou"] == pytest.approx(together.ious.mean(), abs=1e-6)
    assert found.spread("mean_iou")[0] == pytest.approx(np.mean([fold["mean_iou"] for fold in found.folds]))
    said = capsys.readouterr().out
    assert "mean IoU" in said and "without looking" in said
    assert (tmp_path / "cv" / "plots" / "iou_histogram.svg").is_file()
    assert (tmp_path / "cv" / "report.html").read_text().count("data:image/svg+xml") == 1


@pytest.mark.slow
def test_heads_and_losses_of_boxes_are_searched_as_those_of_classes(shapes, tmp_path, capsys):
    config, folder = tmp_path / "search.yaml", tmp_path / "search"
    config.write_text("""
task: localize
backbone: small_cnn
weights: none
image_size: 32
small_cnn: {filters: [8, 16], kernel_size: 3, pools: [2, 2]}
box: {head: {choice: [grid, spatial]}, grid: 8, loss: {choice: [smooth_l1, giou]}}
phases: [{epochs: 2, learning_rate: 3e-3}]
search: {algorithm: grid, objective: val_iou}
""")
    assert main(["search", "--config", str(config), "--data", str(shapes), "--output", str(folder)]) == 0
    rows = list(csv.DictReader((folder / "trials.csv").read_text().splitlines()))
    assert {(row["box.head"], row["box.loss"]) for row in rows} == {
        (head, loss) for head in ("grid", "spatial") for loss in ("smooth_l1", "giou")
    }
    best = max(rows, key=lambda row: float(row["val_iou"]))
    assert f"val_iou {float(best['val_iou']):.4f}" in capsys.readouterr().out.split("best: ")[-1]

    assert main(["train", "--config", str(folder / "best.yaml"), "--output", str(tmp_path / "run")]) == 0
    history = list(csv.DictReader((tmp_path / "run" / "history.csv").read_text().splitlines()))
    assert max(row["val_iou"] for row in history) == best["val_iou"]
    assert open_run(tmp_path / "run").config.box.head == best["box.head"]
