"""Plots: what the figures show, and that each becomes one file."""

import re
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from tfvision.experiment.pictures import _samples
from tfvision.plots import classes as plots
from tfvision.plots import image_grid, learning_curves
from tfvision.plots.classes import (
    _percent,
    plot_calibration,
    plot_confusion_matrix,
    plot_image_grid,
    plot_learning_curves,
    plot_precision_recall,
    plot_roc,
)
from tfvision.plots.figure import _DARK, shorten, wrap

CURVES = [plot_precision_recall, plot_roc, plot_calibration]


@pytest.fixture
def drawn(monkeypatch):
    """Catch the figures instead of writing them."""
    figures = []
    for module in (plots, learning_curves, image_grid):
        monkeypatch.setattr(module, "save", lambda figure, path: figures.append(figure))
    return figures


def case(classes, count=300):
    rng = np.random.default_rng(classes)
    labels = np.arange(count) % classes
    raw = rng.gamma(0.5, size=(count, classes)) + np.eye(classes)[labels]
    return labels, raw / raw.sum(axis=1, keepdims=True), [f"_class_{index}^$" for index in range(classes)]


def history(epochs=4, **more):
    return [
        {
            "epoch": epoch, "phase": "head" if epoch <= 2 else "open", "learning_rate": 10.0**-epoch, "loss": 1 / epoch,
            "val_loss": [0.9, 0.5, 0.4, 0.6][epoch - 1], "accuracy": 0.5, "val_accuracy": "0.4" if epoch % 2 else "",
            "seconds": 3.0, "images_per_second": 100.0, **more,
        }
        for epoch in range(1, epochs + 1)
    ]  # fmt: skip


def lines_of(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def assert_only_png(folder, name):
    assert [path.name for path in folder.iterdir()] == [name]
    with Image.open(folder / name) as image:
        image.load()
        assert (image.format, min(image.size) > 100) == ("PNG", True)


def assert_only_svg(folder, name):
    assert [path.name for path in folder.iterdir()] == [name]
    assert ElementTree.parse(folder / name).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def contrast(one, other):
    """The contrast ratio of two colours, 1 to 21 (WCAG 2)."""

    def luminance(colour):
        channels = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
        return float(
            np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
            @ [0.2126, 0.7152, 0.0722]
        )

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


# ---- learning curves


def test_learning_curves_show_phases_best_epoch_and_rate(drawn):
    plot_learning_curves(history(), "x.png")
    loss, accuracy, rate = drawn[0].axes
    assert [one.get_title(loc="left").split(" ")[0] for one in (loss, accuracy)] == ["loss", "accuracy"]
    np.testing.assert_allclose(lines_of(loss)["validation"].get_ydata(), [0.9, 0.5, 0.4, 0.6])
    assert "kept epoch 3: 0.4" in lines_of(loss)
    assert "kept epoch 3: 0.4" in lines_of(accuracy)
    assert [line.get_xdata()[0] for line in loss.get_lines() if line.get_linestyle() == "--"] == [2.5]
    assert [text.get_text() for text in loss.texts] == ["head", "open"]
    np.testing.assert_array_equal(lines_of(accuracy)["validation"].get_ydata(), [0.4, np.nan, 0.4, np.nan])
    np.testing.assert_allclose(rate.get_lines()[0].get_ydata(), [0.1, 0.01, 0.001, 0.0001])


def test_the_best_epoch_follows_the_monitor(drawn):
    rows = [row | {"f1": 0.1, "val_f1": value} for row, value in zip(history(), [0.1, 0.9, 0.3, 0.2], strict=True)]
    plot_learning_curves(rows, "x.png", monitor="val_f1")
    assert "kept epoch 2: 0.5" in lines_of(drawn[0].axes[0])


def test_epochs_that_count_anew_in_each_phase_are_drawn_one_after_another(drawn):
    plot_learning_curves([row | {"epoch": (row["epoch"] - 1) % 2 + 1} for row in history()], "x.png")
    assert lines_of(drawn[0].axes[0])["training"].get_xdata().tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("rows", [[], [{"epoch": 1}], history(1), history(val_loss=None), history(learning_rate="nan")])
def test_learning_curves_of_little_are_still_a_picture(tmp_path, rows):
    plot_learning_curves(rows, tmp_path / "curves.svg")
    assert_only_svg(tmp_path, "curves.svg")


# ---- confusion matrix


def test_confusion_matrix_writes_counts_and_percent_and_colours_shares(drawn):
    plot_confusion_matrix([[3, 1], [0, 0]], ["a", "b"], "x.png", "title")
    axes = drawn[0].axes[0]
    assert [text.get_text() for text in axes.texts] == ["3", "75%", "1", "25%", "0", "0"]
    (cells,) = axes.collections
    np.testing.assert_allclose(cells.get_facecolors()[:, 3], [0.75**0.5, 0.25**0.5])
    corners = [path.get_extents().min.tolist() for path in cells.get_paths()]
    assert corners == [[-0.5, -0.5], [0.5, -0.5]] and axes.get_ylim() == (1.5, -0.5)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")


def test_numbers_are_left_out_where_they_do_not_fit(drawn):
    plot_confusion_matrix(np.eye(100, dtype=int), [str(index) for index in range(100)], "x.png", "title")
    assert not drawn[0].axes[0].texts
    assert max(drawn[0].get_size_inches()) < 25


# ---- curves of classes


@pytest.mark.parametrize("plot", [plot_precision_recall, plot_roc])
def test_curves_show_what_the_number_of_classes_asks_for(drawn, plot):
    for classes in (2, 10, 11):
        plot(*case(classes), "x.png")
    two, ten, eleven = [
        [label for label in lines_of(figure.axes[0]) if not label.startswith("_child")] for figure in drawn
    ]
    assert len(two) == 1
    assert two[0].endswith("_class_1^$")
    assert len(ten) == 11
    assert len(eleven) == 6
    assert eleven[-1].endswith("mean of 11 classes")
    areas = [float(label.split()[0]) for label in eleven[:-1]]
    assert areas == sorted(areas)


def test_roc_of_a_perfect_and_of_a_wrong_ranking(drawn):
    labels = np.array([0, 0, 1, 1, -1])
    for scores in ([0.1, 0.2, 0.8, 0.9, 0.5], [0.9, 0.8, 0.2, 0.1, 0.5]):
        plot_roc(labels, np.stack([1 - np.array(scores), scores], axis=1), ["a", "b"], "x.png")
    perfect, wrong = [figure.axes[0].get_lines()[0].get_ydata() for figure in drawn]
    assert (perfect[1:] == 1).all()
    assert (wrong[:-1] == 0).all()
    title = drawn[0].axes[0].get_title(loc="left").replace("\n", " ")
    assert title.endswith("area under the curve 1.000 (zoomed into the corner)")
    assert drawn[1].axes[0].get_xlim()[1] > 1


def test_precision_at_each_recall(drawn):
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    plot_precision_recall(np.array([1, 0, 1, 0]), np.stack([1 - scores, scores], axis=1), ["a", "b"], "x.png")
    x, y = drawn[0].axes[0].get_lines()[0].get_data()
    np.testing.assert_allclose(y[x <= 0.5], 1)
    np.testing.assert_allclose(y[x > 0.5], 2 / 3)


def test_calibration_shows_the_share_that_is_right(drawn):
    labels = np.array([1, 1, 1, 0])
    plot_calibration(labels, np.array([[0.2, 0.8]] * 4), ["a", "b"], "x.png")
    upper, lower = drawn[0].axes
    marker = upper.containers[0].lines[0]
    np.testing.assert_allclose(marker.get_data(), [[0.8], [0.75]])
    assert sorted(bar.get_height() for bar in lower.patches)[-2:] == [0, 4]
    assert upper.get_title(loc="left").endswith("0.050")
    assert lower.get_xlabel() == "probability of b"


@pytest.mark.parametrize("plot", CURVES)
@pytest.mark.parametrize("classes", [2, 3, 100])
def test_each_plot_is_one_file(tmp_path, plot, classes):
    plot(*case(classes), tmp_path / "plot.svg")
    assert_only_svg(tmp_path, "plot.svg")


@pytest.mark.parametrize("plot", CURVES)
@pytest.mark.parametrize("label", [1, -1])
def test_one_class_or_no_labels_make_no_curve_but_a_picture(tmp_path, plot, label):
    plot(np.full(4, label), np.full((4, 3), 1 / 3), ["a", "b", "c"], tmp_path / "plot.svg")
    assert_only_svg(tmp_path, "plot.svg")


@pytest.mark.parametrize("plot", CURVES)
def test_colours_can_be_told_from_white_and_from_dark_paper(tmp_path, plot):
    plot(*case(10), tmp_path / "one.svg")
    plot(*case(10), tmp_path / "two.svg")
    text = (tmp_path / "one.svg").read_text()
    assert text == (tmp_path / "two.svg").read_text()
    assert "prefers-color-scheme: dark" in text and "svg { background: #FFFFFF }" in text
    drawn = {found.upper() for found in re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})(?=[;\"])", text)}
    lines = drawn - {"#E8E8E8", "#FFFFFF"}  # the grid, and gaps between bars
    assert len(lines) > 2
    for colour in lines:
        assert contrast(colour, "#FFFFFF") > 1.9, colour
        assert contrast(_DARK.get(colour, colour), _DARK["#FFFFFF"]) > 2.5, colour


# ---- image grids


def test_image_grid_draws_any_size_and_grey(tmp_path, drawn):
    sizes = [(8, 8, 3), (300, 20, 3), (5, 9, 1), (4, 4)]
    images = [np.full(size, 7, np.uint8) for size in sizes]
    plot_image_grid(images, ["true $a_b$\npredicted c 0.98", "x" * 500, "", "ä"], "title " * 40, "x.png", columns=3)
    cells = drawn[0].axes[0].images
    assert [cell.get_interpolation() for cell in cells] == ["nearest", "antialiased", "nearest", "nearest"]
    places = np.array([cell.get_extent() for cell in cells])  # left, right, bottom, top
    assert (drawn[0].axes[0].get_window_extent().size == drawn[0].get_size_inches() * drawn[0].dpi).all()
    width, height = drawn[0].get_size_inches()
    assert drawn[0].axes[0].get_xlim() == (0, width) and drawn[0].axes[0].get_ylim() == (0, height)
    assert (places >= 0).all() and (places <= [width, width, height, height]).all()
    assert places[0, 0] == places[3, 0] and places[0, 2] > places[3, 3]  # one below the other
    ratios = (places[:, 1] - places[:, 0]) / (places[:, 3] - places[:, 2])
    np.testing.assert_allclose(ratios, [size[1] / size[0] for size in sizes])
    texts = [text.get_text() for text in drawn[0].texts[1:]]
    assert texts[0] == "true $a_b$\npredicted c 0.98"
    assert texts[1].count("\n") == 5


def test_image_grid_is_one_png_and_none_without_images(tmp_path):
    plot_image_grid([], [], "title", tmp_path / "none.png")
    assert not list(tmp_path.iterdir())
    plot_image_grid([np.zeros((9, 9, 3), np.uint8)] * 9, ["一"] * 9, "title", tmp_path / "grid.png")
    assert_only_png(tmp_path, "grid.png")


# ---- words, imports


def test_long_names_lose_their_middle_and_long_lines_wrap():
    assert shorten("abcdefghij", 7) == "abcd…ij"
    assert shorten("abc", 3) == "abc"
    assert wrap("one two three", 7, 2) == "one two\nthree"
    assert wrap("true a\npredicted b", 20, 3) == "true a\npredicted b"
    assert max(map(len, wrap("word " * 50, 10, 3).split("\n"))) <= 10


def test_plots_leave_pyplot_and_tensorflow_alone():
    code = (
        "import sys, tfvision.plots.classes, tfvision.evaluation.metrics, tfvision.report.page;"
        "print({'matplotlib.pyplot', 'tensorflow', 'keras', 'sklearn'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_each_class_has_a_row_of_samples() -> None:
    """Of a class with fewer images the row is filled up; beyond 24 classes the rest is not shown."""
    labels = np.array([0, 1, 1, 1, 2, 2, 1])
    assert _samples(labels, 3, 3) == [[0, None, None], [1, 2, 3], [4, 5, None]]
    assert len(_samples(np.arange(40), 40, 2)) == 24


def test_percent_says_neither_nothing_nor_everything() -> None:
    assert [_percent(share) for share in (0.5, 0.004, 0.996, 1.0, 0.0)] == ["50%", "0.4%", "99.6%", "100%", "0%"]
