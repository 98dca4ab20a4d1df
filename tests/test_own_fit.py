"""Callbacks and the table of backbones, for those who call `fit` themselves."""

import csv
from pathlib import Path

import keras
import numpy as np
import pytest
from nbclient import NotebookClient

import tfvision
from tfvision.data.images.imageset import ImageSet
from tfvision.errors import DataError, RunError, UsageError

SIDE = 16


@pytest.fixture(scope="module")
def images(colours: Path) -> ImageSet:
    return tfvision.open_images(colours)


@pytest.fixture
def model() -> keras.Model:
    keras.utils.set_random_seed(1)
    found = tfvision.build_classifier(
        "small_cnn", 3, image_size=SIDE, weights=None, backbone_options={"filters": (4, 4), "kernel_size": 3}
    )
    compile_(found)
    return found


def compile_(model: keras.Model, rate: float = 1e-2, metrics: tuple[str, ...] = ("accuracy",)) -> None:
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=list(metrics))


def fit(model: keras.Model, images: ImageSet, callbacks: list, epochs: int = 3, **options) -> keras.callbacks.History:
    parts = images.split(test=0.2)
    train, validation = (parts[name].to_dataset(SIDE, batch_size=8) for name in ("train", "validation"))
    options.setdefault("validation_data", validation)
    return model.fit(train, epochs=epochs, callbacks=callbacks, verbose=0, **options)


def rows_of(folder: Path) -> list[dict[str, str]]:
    with open(folder / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_a_plain_fit_leaves_a_table_curves_and_the_best_model(
    model: keras.Model, images: ImageSet, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "runs" / "mine"
    keras_says = fit(model, images, tfvision.callbacks(folder, class_names=images.class_names), epochs=4).history
    rows = rows_of(folder)
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert [float(row[name]) for row in rows] == pytest.approx(keras_says[name], rel=1e-4)
    assert float(rows[0]["learning_rate"]) == pytest.approx(1e-2) and float(rows[0]["seconds"]) > 0
    assert (folder / "plots" / "learning_curves.svg").read_text().startswith("<?xml")

    best = int(np.argmin(keras_says["val_loss"]))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch ")]
    assert len(lines) == 4 and lines[best].endswith("  best") and "validation: " in lines[0]
    # The model is left with the weights of the best epoch, and they are those on disk.
    stored = keras.saving.load_model(folder / "model.keras", compile=False)
    for ours, theirs in zip(model.get_weights(), stored.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    validation = images.split(test=0.2)["validation"].to_dataset(SIDE, batch_size=8)
    found = model.evaluate(validation, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(min(keras_says["val_loss"]), rel=1e-4)


def test_with_class_names_the_folder_answers(model: keras.Model, images: ImageSet, tmp_path: Path) -> None:
    fit(model, images, tfvision.callbacks(tmp_path / "run", class_names=images.class_names), epochs=6)
    said = tfvision.predict(tmp_path / "run", images.source)
    pixels = np.stack([images[k].image for k in range(len(images))])
    np.testing.assert_allclose(said.probabilities, model.predict(pixels, verbose=0), atol=1e-5)
    assert said.class_names == images.class_names and (said.predicted == images.labels).mean() > 0.6
    assert tfvision.evaluate(tmp_path / "run", images.source).scores["n"] == 60
    assert len(tfvision.explain(tmp_path / "run", images.source, output=tmp_path / "maps", limit=2)) == 2


def test_without_class_names_plain_keras_loads_it(model: keras.Model, images: ImageSet, tmp_path: Path) -> None:
    fit(model, images, tfvision.callbacks(tmp_path / "run"), epochs=1)
    loaded = keras.saving.load_model(tmp_path / "run" / "model.keras")
    pixels = np.zeros((1, SIDE, SIDE, 3), np.uint8)
    np.testing.assert_allclose(loaded(pixels), model(pixels), atol=1e-6)
    with pytest.raises(DataError, match="does not say its class names"):
        tfvision.predict(tmp_path / "run", images.source)


def test_a_second_fit_goes_on(model: keras.Model, images: ImageSet, tmp_path: Path) -> None:
    found = tfvision.callbacks(tmp_path / "run")
    first = fit(model, images, found, epochs=3).history["val_loss"]
    compile_(model, 1e-9, ("accuracy", "top_k_categorical_accuracy")[:1])  # so small a rate that nothing gets better
    best = min(first)
    before = (tmp_path / "run" / "model.keras").read_bytes() if first[-1] != best else None
    fit(model, images, found, epochs=2)
    rows = rows_of(tmp_path / "run")
    assert [(row["epoch"], row["phase"]) for row in rows] == [
        ("1", "fit"), ("2", "fit"), ("3", "fit"), ("4", "fit 2"), ("5", "fit 2"),
    ]  # fmt: skip
    assert before is None or float(rows[-1]["val_loss"]) <= best + 1e-3


def test_another_metric_in_a_second_fit_is_another_column(model: keras.Model, images: ImageSet, tmp_path: Path) -> None:
    found = tfvision.callbacks(tmp_path / "run")
    fit(model, images, found, epochs=1)
    compile_(model, metrics=("accuracy", "sparse_top_k_categorical_accuracy"))
    fit(model, images, found, epochs=1)
    first, second = rows_of(tmp_path / "run")
    assert first["sparse_top_k_categorical_accuracy"] == "" and float(second["sparse_top_k_categorical_accuracy"]) == 1


def test_it_stops_early(model: keras.Model, images: ImageSet, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    compile_(model, 0.0)
    fit(model, images, tfvision.callbacks(tmp_path / "run", patience=2), epochs=9)
    assert len(rows_of(tmp_path / "run")) == 3  # the first is the best, then two without a better one
    assert "stopped: val_loss has not improved for 2 epochs" in capsys.readouterr().out


def test_a_loss_that_is_nan_stops_it(model: keras.Model, images: ImageSet, tmp_path: Path) -> None:
    model.set_weights([weight * np.nan for weight in model.get_weights()])
    with pytest.raises(RunError, match=r"NaN or infinite in epoch 1 at its end \(learning rate 0.01\)"):
        fit(model, images, tfvision.callbacks(tmp_path / "run"))


@pytest.mark.parametrize(
    ("monitor", "lower"),
    [
        ("val_loss", True), ("val_accuracy", False), ("val_f1", False), ("val_mean_absolute_error", True), ("val_auc", False),
        ("val_mse", True), ("val_iou", False), ("loss", True),
    ],
)  # fmt: skip
def test_which_way_is_better(monitor: str, lower: bool, tmp_path: Path) -> None:
    table, *_ = tfvision.callbacks(tmp_path / "run", monitor=monitor)
    other, *_ = tfvision.callbacks(tmp_path / "run", monitor=monitor, mode="max" if lower else "min")
    for history, expected in ((table.history, lower), (other.history, not lower)):
        history.path = None
        history.add({monitor: 1.0})
        assert history.add({monitor: 0.5}) == expected


def test_what_is_refused(model: keras.Model, images: ImageSet, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for options, message in (
        ({"run_dir": tmp_path / "there"}, "exists already"),
        ({"patience": 0}, "patience: expected 1 or more"),
        ({"mode": "up"}, "unknown mode 'up'"),
        ({"class_names": "red"}, "two names or more"),
    ):
        with pytest.raises(UsageError, match=message):
            tfvision.callbacks(**{"run_dir": tmp_path / "run", **options})
    with pytest.raises(UsageError, match="2 names were given, and the model has 3 outputs"):
        fit(model, images, tfvision.callbacks(tmp_path / "a", class_names=("x", "y")))
    with pytest.raises(
        UsageError, match=r"val_loss is not measured; give fit validation_data; fit measures accuracy, loss"
    ):
        fit(model, images, tfvision.callbacks(tmp_path / "b"), validation_data=None)
    with pytest.raises(UsageError, match="val_f1 is not measured"):
        fit(model, images, tfvision.callbacks(tmp_path / "c", monitor="val_f1"))


def test_sequential_models_and_folders_made_meanwhile(images: ImageSet, tmp_path: Path) -> None:
    layers = keras.layers
    model = keras.Sequential([keras.Input((SIDE, SIDE, 3)), layers.Flatten(), layers.Dense(3, "softmax")])
    compile_(model, 1e-4)
    found = tfvision.callbacks(tmp_path / "run", class_names=images.class_names)
    fit(model, images, found, epochs=1)
    assert tfvision.open_run(tmp_path / "run").facts.class_names == images.class_names
    late = tfvision.callbacks(tmp_path / "late")
    (tmp_path / "late").mkdir()
    with pytest.raises(UsageError, match="exists already"):
        fit(model, images, late, epochs=1)


@pytest.mark.slow  # it starts a kernel
def test_a_notebook_has_one_output_with_curves(tmp_path: Path, colours: Path) -> None:
    import nbformat

    code = f"""
import tfvision
images = tfvision.open_images({str(colours)!r})
model = tfvision.build_classifier("small_cnn", 3, image_size=16, weights=None)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
data = images.to_dataset(16, batch_size=16)
model.fit(data, validation_data=data, epochs=3, verbose=0, callbacks=tfvision.callbacks({str(tmp_path / "run")!r}));
"""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(code), nbformat.v4.new_code_cell("tfvision.BACKBONES")]
    )
    NotebookClient(notebook, timeout=300, startup_timeout=300, kernel_name="python3").execute()
    shown = [each for each in notebook.cells[0].outputs if "text/html" in each.get("data", {})]
    assert len(shown) == 1
    html = shown[0]["data"]["text/html"]
    assert "data:image/svg+xml" in html and "3 epochs" in html
    assert "mobilenet_v2_035" in notebook.cells[1].outputs[0]["data"]["text/html"]


# ---- BACKBONES


def test_backbones_show_themselves_and_are_a_dictionary() -> None:
    found = tfvision.BACKBONES
    assert isinstance(found, dict) and found["vgg16"].stages[-1] == "block5" and "mobilenet_v2" in found
    lines = repr(found).splitlines()
    assert len(lines) == len(found) + 1 and lines[0].split() == ["backbone", "parameters", "pixels"]
    assert "mobilenet_v2_035 " in repr(found) and max(map(len, lines)) < 60
    html = found._repr_html_()
    assert html.count("<tr>") == len(found) + 1 and "14,714,688" in html and "none exist" in html
