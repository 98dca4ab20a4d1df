"""A first hour in a notebook: objects that show themselves, one output for a training, errors of one line, Keras' doors."""

import re
from pathlib import Path

import cv2
import keras
import nbformat
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from conftest import write_tree
from nbclient import NotebookClient

import tfvision
from tfvision.data.images.imageset import ImageSet
from tfvision.errors import DataError, UsageError
from tfvision.experiment.existing import as_functional
from tfvision.runs.images import open_part
from tfvision.system import terminal


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return tfvision.open_images(write_tree(tmp_path_factory.mktemp("notebook") / "colours"))


def small_model(classes: int = 3, activation: str | None = "softmax") -> keras.Sequential:
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(classes, activation)]
    )


# ---- images


def test_repr_is_a_line(images: ImageSet) -> None:
    assert repr(images).startswith("ImageSet(60 images of ")
    assert repr(images).endswith("; 3 classes: blue 20, green 20, red 20)")
    assert "no labels" in repr(tfvision.images_from_arrays(np.zeros((2, 8, 8), np.uint8)))
    many = tfvision.images_from_arrays(
        np.arange(20, dtype=np.uint8)[:, None, None] + np.zeros((20, 8, 8), np.uint8), np.arange(20)
    )
    assert len(repr(many)) < 200 and "and 12 more" in repr(many)


def test_index_slice_class_mask_and_loop(images: ImageSet) -> None:
    one = images[3]
    assert (one.label, one.id) == ("blue", "blue/blue_003.png") and one.image.shape == (16, 16, 3)
    assert images[-1].id == "red/red_019.png" and images[np.int64(3)].id == one.id
    assert set(images["red"].labels) == {2} and len(images["red"]) == 20
    assert images[10:30:5].ids == tuple(images.ids[i] for i in (10, 15, 20, 25))
    assert images[[4, 1]].ids == (images.ids[4], images.ids[1]) and len(images[images.labels == 1]) == 20
    assert [found.id for found in images[:3]] == list(images.ids[:3])
    assert images.ids[3] in images and "blue" not in images
    with pytest.raises(IndexError):
        images[60]
    with pytest.raises(UsageError, match=r"no class 'reed' \(did you mean red\?\)"):
        images["reed"]


def test_card_and_show(images: ImageSet) -> None:
    html = images._repr_html_()
    assert html.count("<img ") == 18 and "16 x 16 px" in html and html.count('class="bar"') == 3
    assert images.show(6)._repr_html_().count("<img ") == 6
    assert repr(images.show(2)) == "2 of 60 images" and images.show(2)._repr_html_().count("<img ") == 2
    in_order = images.show(4, by="order")
    assert in_order._repr_html_().count(">blue<") == 4 and repr(in_order) == "4 of 60 images"
    with pytest.raises(UsageError, match="by='size'"):
        images.show(by="size")


def test_a_damaged_image_leaves_the_card_alone(tmp_path: Path) -> None:
    data = write_tree(tmp_path / "data", 3)
    (data / "red" / "red_000.png").write_bytes(b"gone")
    assert tfvision.open_images(data)._repr_html_().count("<img ") == 8


def test_names_cannot_break_the_html(tmp_path: Path) -> None:
    data = write_tree(tmp_path / "data", 3)
    (data / "red").rename(data / "<script>alert(1)<")
    assert "<script" not in tfvision.open_images(data)._repr_html_()


def test_augmentation_is_shown_as_training_draws_it(images: ImageSet) -> None:
    card = images.show_augmented({"rotation": 20}, n=3)
    assert card._repr_html_().count("<img ") == 12 and "rotation 20" in repr(card)
    with pytest.raises(UsageError, match="did you mean rotation"):
        images.show_augmented({"rotatoin": 20})


def test_split_is_that_of_train(images: ImageSet) -> None:
    parts = images.split(test=0.2, seed=3)
    assert {part: len(own) for part, own in parts.items()} == {"train": 42, "validation": 6, "test": 12}
    assert sorted(sum((own.ids for own in parts.values()), ())) == sorted(images.ids)
    assert parts["test"].ids == images.split(test=0.2, seed=3)["test"].ids != images.split(test=0.2, seed=4)["test"].ids


def test_a_dataset_for_ones_own_fit(images: ImageSet) -> None:
    plain = images.to_dataset(16, batch_size=25)
    pixels, labels = zip(*plain.as_numpy_iterator(), strict=True)
    assert plain.class_names == ["blue", "green", "red"] and [len(some) for some in labels] == [25, 25, 10]
    assert (np.concatenate(labels) == images.labels).all() and pixels[0].dtype == np.float32
    assert (np.concatenate(pixels)[7] == images[7].image).all()
    shuffled = images.to_dataset(16, batch_size=60, shuffle=True, seed=1)
    first, second = (next(iter(shuffled))[1].numpy() for _ in range(2))
    assert (first != second).any() and sorted(first) == sorted(second)
    assert images.to_dataset((8, 12)).element_spec[0].shape == (None, 8, 12, 3)


# ---- what Python holds


def test_a_data_frame(images: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(images.source)
    rows = [{"path": str(root / name), "species": name.split("/")[0], "group": name[-5]} for name in images.ids]
    found = tfvision.open_images(pd.DataFrame(rows))
    assert found.ids == images.ids and (found.labels == images.labels).all() and set(found.groups) == set("0123456789")
    monkeypatch.chdir(root)
    rows = [{"where": name, "kind": name.split("/")[0]} for name in images.ids]
    found = tfvision.open_images(pd.DataFrame(rows), file_column="where", label_column="kind")
    assert (found.labels == images.labels).all() and found[3].image.shape == (16, 16, 3)
    assert (tfvision.open_images(pd.DataFrame(rows)).labels == images.labels).all()  # by elimination
    two = pd.DataFrame([{**row, "other": "x"} for row in rows])
    with pytest.raises(DataError, match="label"):
        tfvision.open_images(two)
    with pytest.raises(DataError, match=r"2 of 2 files in column 'path' do not exist: a\.png, b\.png"):
        tfvision.open_images(pd.DataFrame({"path": ["a.png", "b.png"], "label": [0, 1]}))
    with pytest.raises(DataError, match="no label"):
        tfvision.open_images(pd.DataFrame({"path": [images.ids[0]], "label": [None]}))


def test_a_data_frame_is_read_as_a_csv_would_be(images: ImageSet) -> None:
    root = Path(images.source)
    parts = ["train", "train", "validation", "test"]
    rows = [
        {"path": str(root / name), "label": ["red", "blue"][k % 2], "split": parts[k % 4], "group": None if k else "g"}
        for k, name in enumerate(images.ids)
    ]
    found = tfvision.open_images(pd.DataFrame(rows), positive_class="blue")
    assert found.class_names == ("red", "blue") and found.parts.tolist()[:4] == parts and len(set(found.groups)) == 60
    assert found.source == "DataFrame"  # not the folder, whose names are other labels
    for options, error, message in (
        ({"group_column": "gruop"}, DataError, "did you mean group"),
        ({"positive_class": "zebra"}, UsageError, "zebra"),
        ({"label_from_name": "(.)"}, UsageError, "label_from_name: a DataFrame has no use for it"),
    ):
        with pytest.raises(error, match=message):
            tfvision.open_images(pd.DataFrame(rows), **options)
    with pytest.raises(DataError, match="no rows"):
        tfvision.open_images(pd.DataFrame(rows)[:0])
    numbered = pd.DataFrame([[row["path"], row["label"]] for row in rows])
    assert tfvision.open_images(numbered, file_column="0", label_column="1").class_names == ("blue", "red")


@pytest.mark.usefixtures("without_pictures")
def test_a_run_on_a_data_frame_is_not_scored_by_the_names_of_folders(images: ImageSet, tmp_path: Path) -> None:
    rows = [{"path": str(Path(images.source) / name), "label": "ab"[k % 2]} for k, name in enumerate(images.ids)]
    run = tfvision.train(small_model(1, "sigmoid"), pd.DataFrame(rows), epochs=1, output=tmp_path / "run")
    with pytest.raises(DataError, match="DataFrame"):
        open_part(run, "test")


def test_a_group_column_with_empty_cells_makes_no_huge_group(tmp_path: Path) -> None:
    data = write_tree(tmp_path / "data", 4)
    names = sorted(path.relative_to(data).as_posix() for path in data.rglob("*.png"))
    rows = [f"{name},{name.split('/')[0]},{'g' if k < 2 else ''}" for k, name in enumerate(names)]
    (data / "labels.csv").write_text("\n".join(["file,label,group", *rows]))
    found = tfvision.open_images(data / "labels.csv")
    assert found.groups[0] == found.groups[1] and len(set(found.groups)) == 11


def test_datasets_and_arrays(images: ImageSet) -> None:
    pixels, labels = np.stack([image.image for image in images]), images.labels
    dataset = tf.data.Dataset.from_tensor_slices((pixels, labels))
    for given in (dataset, dataset.batch(7), (pixels, labels)):
        found = tfvision.open_images(given)
        assert (found.labels == labels).all() and (found[5].image == pixels[5]).all()
    one_hot = dataset.map(lambda image, label: (tf.cast(image, tf.float32), tf.one_hot(label, 3))).batch(8)
    assert (tfvision.open_images(one_hot).labels == labels).all()
    assert len(tfvision.open_images(dataset.map(lambda image, label: image), labelled=False)) == 60
    for wrong, message in (
        (dataset.repeat(), "without end"),
        (dataset.map(lambda image, label: image), "no labels"),
        (pixels, r"give a pair, \(images, labels\)"),
        ([dataset, dataset], "two datasets"),
        (dataset.map(lambda image, label: {"image": image, "label": label}), r"dictionaries \(image, label\)"),
    ):
        with pytest.raises(DataError, match=message):
            tfvision.open_images(wrong)


def test_options_of_files_are_refused_for_arrays_and_the_positive_class_is_not(images: ImageSet) -> None:
    pixels = np.stack([image.image for image in images])
    found = tfvision.open_images((pixels, ["cat", "dog"] * 30), positive_class="cat")
    assert found.class_names == ("dog", "cat")
    with pytest.raises(UsageError, match="label_column"):
        tfvision.open_images((pixels, images.labels), label_column="x")


def test_keras_own_dataset_is_read_from_its_files(images: ImageSet) -> None:
    dataset = keras.utils.image_dataset_from_directory(images.source, image_size=(8, 8), seed=1, verbose=False)
    found = tfvision.open_images(dataset)
    assert found[0].image.shape == (16, 16, 3) and sorted(found.ids) == sorted(images.ids)
    assert [found.class_names[label] for label in found.labels] == [name.split("/")[0] for name in found.ids]


# ---- a Keras user's doors


@pytest.mark.usefixtures("without_pictures")
def test_a_compiled_sequential_and_a_dataset_are_trained(images: ImageSet, tmp_path: Path, capsys) -> None:
    model = small_model()
    model.compile("adam", "sparse_categorical_crossentropy")
    before = model.get_weights()
    pixels = np.stack([image.image for image in images])
    dataset = tf.data.Dataset.from_tensor_slices((pixels, images.labels)).batch(8)
    run = tfvision.train(model, dataset, epochs=3, learning_rate=0.01, output=tmp_path / "run")
    assert run.metrics["test"]["accuracy"] == 1
    assert not np.array_equal(before[0], model.get_weights()[0])  # the model that was given is the one that learned
    assert "its own compile() is not used" in capsys.readouterr().out
    assert "0 MB" in (run.folder / "summary.txt").read_text()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: keras.Sequential([keras.layers.Flatten()]), r"begin it with keras\.Input"),
        (lambda: "vgg16", "backbone= and data="),
        (lambda: 7, "got int"),
        (lambda: type("Own", (keras.Model,), {})(), "Own is a subclass"),
        (lambda: keras.Sequential([keras.Input((None, None, 3)), keras.layers.GlobalAveragePooling2D()]), "fixed"),
    ],
)
def test_what_is_no_model_with_a_graph_is_told_what_to_give(images: ImageSet, model, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        tfvision.train(model(), images, dry_run=True)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("outputs", [1, 3])
def test_logits_are_refused(two_colours: Path, images: ImageSet, outputs: int, seed: int) -> None:
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    small = [layers.Conv2D(4, 3, activation="relu"), layers.GlobalAveragePooling2D(), layers.Dense(outputs)]
    model = keras.Sequential([keras.Input((16, 16, 3)), layers.Rescaling(1 / 255), *small])
    given = tfvision.open_images(two_colours) if outputs == 1 else images
    with pytest.raises(UsageError, match="outputs are no probabilities"):
        tfvision.train(model, given, dry_run=True)


def test_two_outputs_for_two_classes_are_told_what_to_become(two_colours: Path) -> None:
    with pytest.raises(UsageError, match=r"2 outputs, the images have 2 classes; expected one, .*sigmoid"):
        tfvision.train(small_model(2), tfvision.open_images(two_colours), dry_run=True)


def test_a_softmax_layer_of_its_own_is_taken(images: ImageSet, capsys) -> None:
    model = keras.Sequential([*small_model(activation=None).layers, keras.layers.Softmax()])
    model.build((None, 16, 16, 3))
    assert tfvision.train(model, images, epochs=1, dry_run=True) is None


def test_a_sequential_around_a_frozen_base_is_pretrained_and_keeps_what_unfreeze_set(images: ImageSet, capsys) -> None:
    layers = keras.layers
    base = keras.Sequential([keras.Input((16, 16, 3)), layers.Conv2D(32, 3), layers.Conv2D(32, 3)], name="base")
    base.trainable = False
    head = [layers.GlobalAveragePooling2D(), layers.Dense(3, "softmax", name="head_probabilities")]
    model = keras.Sequential([keras.Input((16, 16, 3)), layers.Rescaling(1 / 255), base, *head])
    tfvision.train(model, images, dry_run=True)
    assert "phase 1   head" in capsys.readouterr().out
    tfvision.unfreeze(model, "none")
    tfvision.train(model, images, epochs=2, dry_run=True)
    assert "all layers open" not in capsys.readouterr().out


def test_options_of_reading_reach_what_train_opens(images: ImageSet, tmp_path: Path, capsys) -> None:
    rows = [
        {"path": str(Path(images.source) / name), "label": "x", "kind": "ab"[k % 2]}
        for k, name in enumerate(images.ids)
    ]
    tfvision.train(
        small_model(1, "sigmoid"), pd.DataFrame(rows), source={"label_column": "kind"}, epochs=1, dry_run=True
    )
    assert "classes   2 (a " in capsys.readouterr().out
    with pytest.raises(UsageError, match="open already"):
        tfvision.train(small_model(), images, source={"label_column": "kind"})


def test_models_in_a_model_are_said() -> None:
    inner = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Flatten()])
    _, notes = as_functional(keras.Sequential([keras.Input((16, 16, 3)), inner, keras.layers.Dense(3, "softmax")]))
    assert "frozen or open as a whole" in notes[0]


@pytest.mark.parametrize("name", ["MobileNetV2", "mobilenet-v2", "mobilenet_v2"])
def test_names_and_weights_as_keras_says_them(name: str) -> None:
    model = tfvision.build_classifier(name, 3, image_size=32, weights=None)
    assert model.tfvision_backbone == "mobilenet_v2" and model.tfvision_weights == "none"
    assert all(layer.trainable for layer in model.layers if layer.weights)


# ---- runs


def test_a_run_shows_itself(small_run: Path) -> None:
    run = tfvision.open_run(small_run)
    score = run.metrics["test"]["accuracy"]
    assert re.fullmatch(rf"Run\(.*: test accuracy {score:.4f} \[[01]\.\d{{4}}, [01]\.\d{{4}}\], n=\d+\)", repr(run))
    html = run._repr_html_()
    assert "test images are classified correctly" in html and html.count('class="plot"') == 2
    assert "report.html" in html and "<script" not in html
    assert run.show_curves()._repr_html_().count('class="plot"') == 1
    stored = (
        len((small_run / "mistakes.csv").read_text().splitlines()) - 1 if (small_run / "mistakes.csv").is_file() else 0
    )
    assert run.show_mistakes()._repr_html_().count("<img ") == min(12, stored)


def test_a_folder_without_scores_is_named_all_the_same(tmp_path: Path) -> None:
    from tfvision.runs.folder import Run

    assert repr(Run(tmp_path)).endswith("no scores yet)")
    assert "no scores yet" in Run(tmp_path)._repr_html_()


def test_a_run_is_asked_about_a_photo(small_run: Path, colours: Path, tmp_path: Path) -> None:
    run, photo = tfvision.open_run(small_run), colours / "red" / "red_001.png"
    answers = run.predict(photo, top=2)
    expected = tfvision.predict(small_run, photo)
    np.testing.assert_array_equal(answers.predictions.probabilities, expected.probabilities)
    assert repr(answers).startswith("red_001.png  ") and len(repr(answers).split()) == 5
    html = answers._repr_html_()
    assert html.count("<img ") == 2 and html.count('class="bar"') == 2 and "where it looked" in html
    for same in (tfvision.open_images(colours)["red"][1:2], tfvision.open_images(colours)["red"][1]):
        np.testing.assert_array_equal(run.predict(same).predictions.probabilities, expected.probabilities)
    cv2.imwrite(str(tmp_path / "bad.png"), np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "bad.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"bad\.png"):
        run.predict(tmp_path / "bad.png")


# ---- the output of a cell


class Screen:
    """Stands in for the output of a cell."""

    def __init__(self) -> None:
        self.said, self.seen, self.rows, self.closed = [], [], 0, False

    def say(self, text: str) -> None:
        self.said.append(text)

    def progress(self, text: str) -> None:
        self.seen.append(text)

    def epoch(self, text: str, rows: list, monitor: str) -> None:
        assert monitor == "val_loss" and "epoch" in text
        self.rows = len(rows)

    def close(self) -> None:
        self.closed = True


@pytest.mark.usefixtures("without_pictures")
def test_a_verb_prints_into_one_output(
    images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    screen = Screen()
    monkeypatch.setattr(terminal, "_in_notebook", lambda: True)
    monkeypatch.setattr("tfvision.notebook.live.Output", lambda: screen)
    tfvision.train(small_model(), images, epochs=2, output=tmp_path / "run")
    assert screen.rows == 2 and screen.closed and screen.seen[-1] == "" and terminal.console.cell is None
    assert any(text.startswith("data ") for text in screen.said) and not any("epoch  " in text for text in screen.said)
    with pytest.raises(UsageError):
        tfvision.train(small_model(), images, output=tmp_path / "run")
    assert terminal.console.cell is None and not capsys.readouterr().out


CELLS = [
    "import tfvision\nimages = tfvision.open_images('digits')\nimages",
    "run = tfvision.train(data='digits', backbone='small_cnn', weights=None, image_size=8, epochs=3, limit=200, output='run')",
    "tfvision.open_images('nowhere')",
    "tfvision.debug()\ntfvision.open_images('nowhere')",
]


@pytest.mark.slow
def test_in_a_real_kernel(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    path = {"metadata": {"path": str(tmp_path)}}
    client = NotebookClient(notebook, timeout=300, startup_timeout=300, allow_errors=True, resources=path)
    client.execute()
    # Libraries warn on streams of their own.
    shown, trained, line, whole = [
        [output for output in cell.outputs if output.output_type != "stream"] for cell in notebook.cells
    ]
    assert [output.output_type for output in shown] == ["execute_result"] and "text/html" in shown[0].data
    assert [output.output_type for output in trained] == ["display_data"]
    text, html = trained[0].data["text/plain"], trained[0].data["text/html"]
    assert text.count("epoch ") == 3 and "done in" in text and "svg+xml" in html
    assert len(line[-1].traceback) == 2 and line[-1].traceback[0].startswith("DataError: no such data: nowhere")
    assert len(whole[-1].traceback) > 2 and (tmp_path / "run" / "report.html").is_file()


def test_an_error_is_one_line_until_the_traceback_is_asked_for() -> None:
    error = DataError("no such data: x; give a folder")
    assert error._render_traceback_() == [
        "DataError: no such data: x; give a folder",
        "(tfvision.debug() shows where it was raised)",
    ]
    tfvision.debug()
    try:
        assert not hasattr(error, "_render_traceback_")
    finally:
        tfvision.debug(False)
    assert len(error._render_traceback_()) == 2


def test_lines_of_a_table_stay_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.table import Table

    screen, table = Screen(), Table("a", "b")
    table.add_row("1", "2")
    monkeypatch.setattr(terminal.console, "cell", screen)
    terminal.console.print(table)
    assert "1" in screen.said[0] and "\n" in screen.said[0] and "\x1b" not in screen.said[0]
