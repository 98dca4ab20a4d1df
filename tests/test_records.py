"""Records of the verbs: a line in a terminal, a card with tables, pictures and links in a notebook."""

from pathlib import Path

import numpy as np
import pytest

import tfvision
from tfvision.comparison.compare import Comparison
from tfvision.data.images.imageset import ImageSet
from tfvision.errors import UsageError
from tfvision.evaluation.paired import paired_differences
from tfvision.evaluation.predictions import Predictions
from tfvision.runs.folder import open_run
from tfvision.system.shown import Record
from tfvision.system.tables import TextTable, first_lines


def test_a_table_has_columns_of_equal_width() -> None:
    assert TextTable(("name", "n"), [("a", "1,000"), ("longer", "2")]).lines() == [
        "name    n",
        "a       1,000",
        "longer  2",
    ]
    assert first_lines(["a", "b", "c"], 2) == ["a", "b", "and 1 more"] and first_lines(["a"], 2) == ["a"]


class Found(Record):
    """A record as a verb returns it."""

    def __init__(self, *written: Path) -> None:
        self.written = written

    def tables(self) -> list[TextTable]:
        """Return one."""
        return [TextTable(("run", "score"), [("<b>", "0.5")])]

    def remarks(self) -> list[str]:
        """Return one."""
        return ["n=10 & more"]


def test_the_card_has_tables_pictures_and_links_and_its_text_cannot_break_it(tmp_path: Path) -> None:
    (tmp_path / "curve.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    (tmp_path / "report.html").write_text("page")
    found = Found(tmp_path / "curve.svg", tmp_path / "report.html", tmp_path / "gone.png")
    html = found._repr_html_()
    assert repr(found) == "run  score\n<b>  0.5\nn=10 & more"
    assert "&lt;b&gt;" in html and "<b>" not in html and "n=10 &amp; more" in html
    assert html.count("<img ") == 1 and "image/svg+xml" in html
    assert f'href="{(tmp_path / "report.html").as_posix()}"' in html and "gone" not in html


def test_many_predictions_are_a_few_lines() -> None:
    probabilities = np.tile([[0.3, 0.7]], (50, 1))
    ids = tuple(f"{k}.png" for k in range(50))
    found = Predictions(ids, np.full(50, ""), np.full(50, -1), probabilities, ("cat", "dog"))
    assert repr(found).splitlines()[0] == "0.png  dog  0.7000" and repr(found).endswith("and 30 more")
    assert "and 30 more" in found._repr_html_()


def test_a_comparison_says_of_how_many_seeds() -> None:
    labels = np.arange(40) % 2
    sure = np.eye(2)[labels] * 0.8 + 0.1
    ids, parts = tuple(map(str, range(40))), np.full(40, "test")
    first = Predictions(ids, parts, labels, np.full((40, 2), 0.5), ("a", "b"))
    found = Comparison("one", {"two": paired_differences(first, Predictions(ids, parts, labels, sure, ("a", "b")))})
    assert repr(found).splitlines()[2].split()[:3] == ["two", "1.0000", "+0.5000"] and "seeds" not in repr(found)


@pytest.mark.usefixtures("without_pictures")
def test_an_audit_takes_images_and_gives_the_clean_ones(two_colours: Path, tmp_path: Path, capsys) -> None:
    images = tfvision.open_images(two_colours)
    twice = images.select([*range(len(images)), 0])
    pixels, labels = np.stack([image.image for image in twice]), twice.labels
    held = tfvision.images_from_arrays(pixels, labels, class_names=images.class_names)
    found = tfvision.audit(held, output=tmp_path / "held", weights="none")
    assert isinstance(found.clean, ImageSet) and len(found.clean) < len(held) == len(images) + 1
    assert "exact_duplicate" in repr(found) and "left out" in repr(found) and "Exact copies" in found._repr_html_()
    assert "train on the rest" not in capsys.readouterr().out  # nothing on the disk to train on
    of_folder = tfvision.audit(images, output=tmp_path / "folder", weights="none")
    assert (
        of_folder.kept.tolist() == tfvision.audit(two_colours, output=tmp_path / "same", weights="none").kept.tolist()
    )
    assert (tmp_path / "folder" / "clean.csv").read_text() == (tmp_path / "same" / "clean.csv").read_text()


def test_verbs_take_runs_and_images_that_are_open(small_run: Path, tmp_path: Path) -> None:
    run = open_run(small_run)
    images = tfvision.open_images(run.config.data)
    found = tfvision.evaluate(run, images[::5])
    assert found.scores["n"] == len(images[::5]) and "95 % interval" in found._repr_html_()
    assert tfvision.evaluate(run).scores == tfvision.evaluate(small_run).scores
    assert len(tfvision.predict(run, images[:3])) == 3
    corrupted = tfvision.evaluate_corrupted(run, images[::5], "noise", output=tmp_path / "c.json")
    assert repr(corrupted).splitlines()[0].startswith("accuracy") and corrupted._repr_html_().count("<img ") == 2
    again = tmp_path / "again"
    tfvision.evaluate(run, output=tmp_path / "scores.json", predictions=again.with_suffix(".csv"))
    assert tfvision.compare(run, again.with_suffix(".csv")).baseline == str(small_run)


def test_ranges_from_python_need_no_file(two_colours: Path, tmp_path: Path) -> None:
    options = {"data": str(two_colours), "backbone": "small_cnn", "weights": "none", "epochs": 1}
    ranges = {"learning_rate": {"choice": [1e-3, 1e-2]}, "search": {"trials": 2}}
    found = tfvision.search(**options, **ranges, output=tmp_path / "search")
    assert found is not None and found.folder == tmp_path / "search" and len(found.trials) == 2
    assert f"best: trial {found.best.number} of 2" in repr(found) and "report.html" in found._repr_html_()
    assert found.options["phases"][0]["learning_rate"] == found.best.values["learning_rate"]
    assert tfvision.train(**{**found.options, "output": str(tmp_path / "run")}).class_names == ("green", "red")
    head = {"pooling": "flatten", "units": [{"choice": [4, 8]}]}  # the only range stands in a list
    assert tfvision.search(**options, head=head, dry_run=True) is None
    with pytest.raises(UsageError, match="needs --config"):
        tfvision.search(**options)
