"""The report: the figures stand in it, nothing is loaded from elsewhere, nothing missing stops it."""

import re
import shutil
from dataclasses import replace
from urllib.parse import unquote

import numpy as np
import pytest

from tfvision.evaluation.metrics import compute_metrics
from tfvision.plots.classes import plot_confusion_matrix, plot_image_grid
from tfvision.report.folder import CLASS_PLOTS, read_run_files
from tfvision.report.page import write_report
from tfvision.report.story import tell
from tfvision.report.tables import fact_rows
from tfvision.report.words import describe_section, long_duration, percent, plain
from tfvision.system.files import write_json, write_text

CONFIG = """\
data: photos.zip
backbone: mobilenet_v2
weights: imagenet
image_size: 96
seed: 7
phases:
- {name: head, solver: gradient, epochs: 3, learning_rate: 1e-3, schedule: constant, unfreeze: none, patience: null}
- {name: open, solver: gradient, epochs: 9, learning_rate: 0.0003, schedule: cosine, unfreeze: all, patience: 4}
augment: {horizontal_flip: true, vertical_flip: false, shift: 0.1}
"""
FILES = ("config.yaml", "environment.json", "metrics.json", "history.csv", "splits.csv", "summary.txt")


def fake_metrics(names, wrong, seed=0):
    """Scores of 40 images, of which `wrong` are taken for the next class."""
    labels = np.arange(40) % len(names)
    said = np.where(np.arange(40) < wrong, (labels + 1) % len(names), labels)
    probabilities = np.eye(len(names))[said] * 0.7 + 0.3 / len(names)
    return compute_metrics(labels, probabilities, names, resamples=50, seed=seed)


def make_run(folder, names=("cat", "<script>alert(1)</script>", "dog & co"), wrong=(2, 3)):
    (folder / "plots").mkdir(parents=True)
    metrics = {"validation": fake_metrics(names, wrong[0]), "test": fake_metrics(names, wrong[1])}
    write_json(folder / "metrics.json", metrics)
    write_text(folder / "config.yaml", CONFIG)
    parts = ["train"] * 1200 + ["test"] * 300
    rows = [f"{name}/{index}.jpg,{part},{name}" for name in names for index, part in enumerate(parts)]
    write_text(folder / "splits.csv", "id,part,label\n" + "\n".join(rows))
    write_text(folder / "history.csv", "epoch,phase,loss,val_loss,seconds\n1,head,1.0,0.9,40\n2,open,0.5,0.4,25\n")
    write_text(folder / "summary.txt", "Model: <flat>\n")
    write_json(
        folder / "environment.json",
        {
            "command": "tfvision train --data photos.zip", "date": "2026-01-02", "seconds": 3725.2,
            "versions": {"keras": "3.15.1"}, "hardware": {"cores": 2}, "model": {"parameters": 2259265},
        },
    )  # fmt: skip
    plot_image_grid([np.zeros((8, 8, 3), np.uint8)], ["cat"], "Mistakes", folder / "plots" / "worst_mistakes.png")
    plot_confusion_matrix(metrics["test"]["confusion_matrix"], names, folder / "plots" / "confusion_matrix.svg", "Test")
    for name in CLASS_PLOTS:
        if not (folder / "plots" / name).exists():
            shutil.copy(folder / "plots" / "worst_mistakes.png", folder / "plots" / name)
    return metrics


def text_of(page):
    html = re.sub(r"<style>.*?</style>", "", page.read_text("utf-8"), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "earth"
    metrics = make_run(folder)
    return write_report(folder), metrics


def test_the_headline_is_the_test_accuracy_with_its_interval(run):
    page, metrics = run
    low, high = metrics["test"]["ci95"]["accuracy"]
    text = text_of(page)
    assert "92.5 % of the 40 test images are classified correctly" in text
    assert f"(95 % interval {percent(low)} to {percent(high)})" in text
    assert "On the 40 validation images it was 95.0 %: the same within the interval." in text
    assert f"{metrics['test']['f1_macro']:.4f}" in text
    assert f"{metrics['validation']['log_loss']:.4f}" in text


def test_the_page_says_what_was_trained_on_what(run):
    text = text_of(run[0])
    for fact in ("mobilenet_v2 on photos.zip", "imagenet", "1 h 2 min", "keras 3.15.1", "parameters 2,259,265"):
        assert fact in text
    columns = re.findall(r'<th scope="col">([a-z ]+)</th>', run[0].read_text("utf-8"))
    assert columns == ["name", "solver", "epochs", "learning rate", "schedule", "unfreeze", "patience"]
    for cell in ("<td>0.001</td>", "<td>0.0003</td>", "<td>cosine</td>", '<td class="number">1,200</td>'):
        assert cell in run[0].read_text("utf-8")
    assert "horizontal flip, shift 0.1" in text
    assert "vertical flip" not in text


def test_the_page_needs_nothing_else(run):
    html = run[0].read_text("utf-8")
    assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub(r"data:image/png;base64,[\w+/=]+", "", html))
    sources = re.findall(r"""(?:src|srcset)\s*=\s*["']?(.{5})""", html)
    assert sources == ["data:"] * len(CLASS_PLOTS)
    assert set(re.findall(r'href="(.)', html)) == {"#", "M"}  # of the page itself, and MODEL_CARD.md beside it
    assert "<link" not in html


def test_text_of_the_run_is_escaped(run):
    html = run[0].read_text("utf-8")
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "dog &amp; co" in html
    assert "Model: &lt;flat&gt;" in html


def test_links_lead_to_sections(run):
    html = run[0].read_text("utf-8")
    assert set(re.findall(r'href="#(\w+)"', html)) <= set(re.findall(r'id="(\w+)"', html))


def test_the_commands_name_the_run_as_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "my runs" / "a")
    html = write_report("my runs/a").read_text("utf-8").replace("&#39;", "'")
    assert "tfvision predict 'my runs/a' photos/ --output predictions.csv" in html
    assert "tfvision evaluate 'my runs/a' --data other.zip --output other.json" in html
    assert "tfvision export 'my runs/a' --output saved_models/a" in html
    assert "keras.saving.load_model('my runs/a/model.keras')" in html
    assert str(tmp_path) not in html


def test_the_python_snippet_is_python(run):
    snippet = re.search(r"<pre>(import keras.*?)</pre>", run[0].read_text("utf-8"), re.DOTALL)[1]
    for entity, letter in [("&#39;", "'"), ("&#34;", '"'), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")]:
        snippet = snippet.replace(entity, letter)
    compile(snippet, "snippet", "exec")
    assert "'dog & co'" in snippet


def test_two_classes_add_the_f1_of_the_positive_class(tmp_path):
    metrics = make_run(tmp_path / "run", names=("none", "cactus"))
    text = text_of(write_report(tmp_path / "run"))
    assert f"and the F1 of cactus is {metrics['test']['f1']:.4f} (" in text
    assert "F1 of cactus" in text
    assert "int(probabilities[-1] &gt; 0.5)" in text


@pytest.mark.parametrize("name", [*FILES, *(f"plots/{plot}" for plot in CLASS_PLOTS)])
def test_a_missing_file_is_said(tmp_path, run, name):
    shutil.copytree(run[0].parent, tmp_path / "run")
    (tmp_path / "run" / name).unlink()
    said = name if name in FILES else f"The picture {name.rsplit('.', 1)[0]} is not in this folder."
    assert said in text_of(write_report(tmp_path / "run"))


@pytest.mark.parametrize("name", ["config.yaml", "environment.json", "metrics.json"])
def test_a_broken_file_is_said(tmp_path, run, name):
    shutil.copytree(run[0].parent, tmp_path / "run")
    (tmp_path / "run" / name).write_bytes(b"{ [ \xff")
    assert f"not readable: {name}" in text_of(write_report(tmp_path / "run"))


def test_a_plot_of_an_older_version_is_shown(tmp_path, run):
    shutil.copytree(run[0].parent, tmp_path / "run")
    plot = tmp_path / "run" / "plots" / "roc.svg"
    plot.unlink()
    shutil.copy(tmp_path / "run" / "plots" / "worst_mistakes.png", plot.with_suffix(".png"))
    assert "plots/roc is not" not in text_of(write_report(tmp_path / "run"))


def test_an_empty_folder_makes_a_page(tmp_path):
    assert "This folder holds no scores yet." in text_of(write_report(tmp_path))
    assert set(read_run_files(tmp_path).missing) == set(FILES)


def test_without_a_test_part_the_page_warns(tmp_path):
    metrics = make_run(tmp_path / "run")
    write_json(tmp_path / "run" / "metrics.json", {"validation": metrics["validation"]})
    text = text_of(write_report(tmp_path / "run"))
    assert "of the 40 validation images are classified correctly" in text
    assert "There is no test part" in text
    assert "Only the validation part has scores." in text


def test_a_run_without_mistakes_says_so(tmp_path):
    make_run(tmp_path / "run", wrong=(0, 0))
    (tmp_path / "run" / "plots" / "worst_mistakes.png").unlink()
    text = text_of(write_report(tmp_path / "run"))
    assert "100 % of the 40 test images" in text
    assert "No mistakes: every image of the test part was classified correctly." in text


def test_many_classes_fold_and_splits_without_labels_still_count(tmp_path):
    make_run(tmp_path / "run", names=tuple(f"class {index}" for index in range(40)))
    write_text(tmp_path / "run" / "splits.csv", "id,part\na,train\nb,train\nc,test\n")
    html = write_report(tmp_path / "run").read_text("utf-8")
    assert "<summary>All 40 classes</summary>" in html
    assert '<tfoot><tr><th scope="row">all</th><td class="number">2</td><td class="number">1</td></tr></tfoot>' in html


# ---- sentences and words


def scores(accuracy, interval=(0.8, 0.9), n=1000):
    return {"accuracy": accuracy, "n": n, "ci95": {"accuracy": list(interval)}}


@pytest.mark.parametrize(
    ("validation", "words"),
    [(0.86, "the same within the interval"), (0.95, "10.0 points higher than on test"), (0.7, "15.0 points lower")],
)
def test_validation_is_compared_with_test(validation, words):
    assert words in tell({"validation": scores(validation), "test": scores(0.85)})["remarks"][0]


def test_the_story_tells_the_baseline_and_the_most_frequent_mistake():
    more = {
        "per_class": [{"class": "a", "support": 30}, {"class": "b", "support": 70}],
        "confusion_matrix": [[28, 2], [5, 65]], "class_names": ["a", "b"],
    }  # fmt: skip
    remarks = tell({"test": scores(0.93) | more})["remarks"]
    assert "Always answering b, the most frequent class, would be right for 70.0 %." in remarks
    assert "The most frequent mistake: b taken for a, 5 times." in remarks


@pytest.mark.parametrize(
    ("share", "text"),
    [(1, "100 %"), (0.9826, "98.3 %"), (0.99961, "99.961 %"), (0.0001, "0.010 %"), (0.0, "0 %"), (None, "–")],
)
def test_percent_never_rounds_to_all_or_nothing(share, text):
    assert percent(share) == text


def test_words():
    assert [long_duration(seconds) for seconds in (12.4, 184, 3900)] == ["12 s", "3 min 4 s", "1 h 5 min"]
    assert [plain(value) for value in (None, True, 96, 14848329, 1e-5, [1, 2], [])] == [
        "–", "yes", "96", "14,848,329", "1e-05", "1, 2", "none",
    ]  # fmt: skip
    assert (
        describe_section({"a_b": True, "off": False, "c": 0.5, "none": None, "in": {"d": 1}}) == "a b, c 0.5, in (d 1)"
    )


def test_boxes_are_told_beside_their_baselines(tmp_path):
    scores = {
        "n": 40, "mean_iou": 0.512, "median_iou": 0.55, "share_50": 0.625, "share_75": 0.2, "share_90": 0.0,
        "ci95": {"mean_iou": [0.45, 0.57], "share_50": [0.48, 0.77]},
        "by_size": [
            {"name": "small", "n": 10, "mean_iou": 0.3, "median_iou": 0.3, "share_50": 0.1, "share_75": 0, "share_90": 0},
            {"name": "large", "n": 30, "mean_iou": 0.6, "median_iou": 0.6, "share_50": 0.8, "share_75": 0, "share_90": 0},
        ],
        "per_class": [],
        "baselines": {
            "mean_box": {"mean_iou": 0.35, "median_iou": 0.3, "share_50": 0.18, "share_75": 0.0, "share_90": 0.0},
            "whole_image": {"mean_iou": 0.28, "median_iou": 0.3, "share_50": 0.1, "share_75": 0.0, "share_90": 0.0},
        },
    }  # fmt: skip
    folder = tmp_path / "run"
    make_run(folder)
    write_json(folder / "metrics.json", {"validation": scores, "test": scores})
    text = " ".join(re.sub(r"<[^>]+>", " ", write_report(folder).read_text()).split())
    assert "0.512 is the mean overlap (IoU) of predicted and true boxes on the 40 test images" in text
    assert "(95 % interval 0.450 to 0.570)" in text.replace("\xa0", " ")
    assert "(mean box of training) reaches 0.350, and 18.0 % above one half" in text.replace("\xa0", " ")
    assert "The small boxes are the hardest: 0.300 on 10 images" in text
    assert "Confusion matrix" not in text and "Class by class" not in text


def test_only_options_that_act_are_listed(run) -> None:
    files = read_run_files(run[0].parent)
    rows = dict(fact_rows(files))
    assert rows["augment"] == "horizontal flip, shift 0.1"
    files = replace(files, config={"head": {"units": [], "activation": "relu", "batch_norm": True, "dropout": 0.2}})
    assert dict(fact_rows(files))["head"] == "dropout 0.2"


def test_each_of_the_worst_mistakes_has_its_picture_its_name_and_a_link_to_its_file(tmp_path) -> None:
    folder = tmp_path / "runs" / "earth"
    make_run(folder)
    (folder / "plots/mistakes").mkdir()
    for number in (1, 2):
        shutil.copy(folder / "plots/worst_mistakes.png", folder / f"plots/mistakes/0{number}.png")
    (tmp_path / "photos/cat").mkdir(parents=True)
    photo = tmp_path / "photos/cat/a <b> #1.jpg"
    photo.write_bytes(b"x")
    rows = [("cat/a <b> #1.jpg", photo, "01"), ("cat/gone.jpg", "", "02"), ("cat/no_picture.jpg", "", "03")]
    text = "".join(f"{name},cat,dog & co,0.9731,{file},plots/mistakes/{number}.png\n" for name, file, number in rows)
    write_text(folder / "mistakes.csv", "id,label,predicted,probability,file,picture\n" + text)
    page = write_report(folder).read_text()
    gallery = page[page.index('<ul class="gallery">') : page.index("</ul>", page.index('<ul class="gallery">'))]
    assert gallery.count("data:image/png;base64,") == 2 and "no_picture" not in gallery
    assert "cat, taken for dog &amp; co (97.3" in gallery and ">gone.jpg<" in gallery
    (link,) = re.findall(r'href="([^"]+)"', gallery)
    assert (folder / unquote(link)).resolve() == photo and "&lt;b&gt;" in gallery
