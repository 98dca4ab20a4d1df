"""The review of an audit: a person keeps, drops and relabels in a real browser, and trains on what was saved."""

import csv
import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from tfvision.audit.audit import audit
from tfvision.cli import main
from tfvision.data.sources.open import open_images
from tfvision.errors import DataError

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# What a person does, as events of the page; the saved file is caught on its way to the disk and left in the document.
PERSON = """
<script>
const saved = new Promise((resolve) => {
  URL.createObjectURL = (blob) => { blob.text().then(resolve); return "#"; };
});
const card = (id) => document.querySelector(`.picture[data-id="${id}"]`);
const press = (id, key) => card(id).dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
STEPS
document.getElementById("save").click();
saved.then((text) => {
  const told = {text, tally: document.getElementById("tally").textContent};
  document.body.replaceChildren(Object.assign(document.createElement("pre"), {textContent: JSON.stringify(told)}));
});
</script>
"""


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 dark and 20 bright images; one is a copy, two are gray among colour; a comma stands in a name."""
    folder = tmp_path_factory.mktemp("review")
    generator = np.random.default_rng(0)
    for number in range(40):
        name, level = (("dark", 60), ("light, bright", 180))[number % 2]
        pixels = np.clip(generator.normal(level, 30, (24, 24, 3)), 0, 255).astype(np.uint8)
        if number in (4, 7):
            pixels = np.repeat(pixels[..., :1], 3, axis=2)
        (folder / "data" / name).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / "data" / name / f"{number:02}.png"), pixels)
    shutil.copy(folder / "data" / "dark" / "00.png", folder / "data" / "dark" / "copy.png")
    audit(folder / "data", weights="none", output=folder / "found")
    return folder


def reviewed(audited: Path, steps: str, tmp_path: Path) -> dict[str, str]:
    """Return what the page saves and says after some steps."""
    page = (audited / "found" / "audit.html").read_text(encoding="utf-8")
    (tmp_path / "page.html").write_text(page.replace("</body>", PERSON.replace("STEPS", steps) + "</body>"))
    quiet = ("--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update")
    done = subprocess.run(
        [
            *(str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--disable-sync", *quiet),
            *(f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000", "--dump-dom"),
            (tmp_path / "page.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = re.search(r"<pre>(.*)</pre>", done.stdout, re.DOTALL)
    assert found, done.stdout[-500:]
    return json.loads(html.unescape(found[1]))


@pytest.mark.skipif(not BROWSER, reason="no Chromium on this machine")
def test_what_a_person_decides_is_saved_and_trained_on(audited: Path, tmp_path: Path, capsys) -> None:
    """The copy is kept though the audit leaves it out, a gray image goes, the other gets another class."""
    steps = """
    card("dark/copy.png").querySelector("[data-do=keep]").click();
    press("dark/04.png", "d");
    const field = card("light, bright/07.png").querySelector("input");
    field.value = "dark";
    field.dispatchEvent(new Event("change", {bubbles: true}));
    """
    said = reviewed(audited, steps, tmp_path)
    assert said["tally"] == "1 dropped, 1 relabelled, 3 decided by you"
    path = tmp_path / "review.csv"
    path.write_text(said["text"], encoding="utf-8", newline="")
    rows = {row["id"]: row for row in csv.DictReader(path.open(encoding="utf-8", newline=""))}
    decisions = {image_id: (row["decision"], row["label"]) for image_id, row in rows.items()}
    assert decisions == {
        "dark/copy.png": ("keep", "dark"),
        "dark/04.png": ("drop", "dark"),
        "light, bright/07.png": ("relabel", "dark"),
    }
    images = open_images(path)
    assert len(images) == 40 and "dark/04.png" not in images.ids and "dark/copy.png" in images.ids
    assert images.class_names[images.labels[images.ids.index("light, bright/07.png")]] == "dark"
    small = ["--backbone", "small_cnn", "--weights", "none", "--small-cnn.filters", "[4]", "--epochs", "1"]
    assert main(["train", str(path), *small, "--output", str(tmp_path / "run")]) == 0
    assert "review.csv: 1 of 41 images dropped, 1 relabelled" in capsys.readouterr().out
    splits = list(csv.DictReader((tmp_path / "run" / "splits.csv").open(newline="")))
    assert {row["id"]: row["label"] for row in splits}["light, bright/07.png"] == "dark"


@pytest.mark.skipif(not BROWSER, reason="no Chromium on this machine")
def test_what_nobody_touched_is_what_the_audit_proposes(audited: Path, tmp_path: Path) -> None:
    """Undone decisions and an unknown class leave nothing behind."""
    steps = """
    press("dark/04.png", "d");
    press("dark/04.png", "u");
    const field = card("dark/04.png").querySelector("input");
    field.value = "nothing";
    field.dispatchEvent(new Event("change", {bubbles: true}));
    """
    said = reviewed(audited, steps, tmp_path)
    (tmp_path / "review.csv").write_text(said["text"], encoding="utf-8", newline="")
    proposed = list(csv.DictReader((audited / "found" / "clean.csv").open(encoding="utf-8", newline="")))
    assert set(open_images(tmp_path / "review.csv").ids) == {row["id"] for row in proposed}
    assert said["tally"] == "1 dropped, 0 relabelled, 0 decided by you"


@pytest.mark.skipif(not BROWSER, reason="no Chromium on this machine")
def test_a_field_that_is_left_by_escape_keeps_its_class(audited: Path, tmp_path: Path) -> None:
    steps = """
    const field = card("dark/04.png").querySelector("input");
    field.focus();
    field.value = "light, bright";
    field.dispatchEvent(new KeyboardEvent("keydown", {key: "Escape", bubbles: true}));
    """
    assert reviewed(audited, steps, tmp_path)["tally"] == "1 dropped, 0 relabelled, 0 decided by you"


def test_the_list_of_an_audit_may_be_reviewed_in_turn_but_no_review_leads_back_to_itself(audited: Path) -> None:
    (audited / "second.csv").write_text("id,decision,label,dataset\ndark/00.png,drop,dark,found/clean.csv\n")
    first, second = open_images(audited / "found" / "clean.csv"), open_images(audited / "second.csv")
    assert set(first.ids) - set(second.ids) == {"dark/00.png"}
    (audited / "a.csv").write_text("id,decision,label,dataset\ndark/00.png,drop,dark,b.csv\n")
    (audited / "b.csv").write_text("id,decision,label,dataset\ndark/00.png,drop,dark,a.csv\n")
    with pytest.raises(DataError, match=r"names the list b\.csv as its data set"):
        open_images(audited / "a.csv")


def test_a_review_belongs_to_the_labels_that_were_audited(audited: Path, tmp_path: Path) -> None:
    """A table with two label columns: the review of one must not be trained with the other in silence."""
    names = sorted(path.relative_to(audited) for path in (audited / "data" / "dark").iterdir())
    table = ["file,label,species", *(f"{path},{'ab'[i % 2]},{'xy'[i // 4 % 2]}" for i, path in enumerate(names))]
    (audited / "table.csv").write_text("\n".join(table))
    image_id = open_images(audited / "table.csv", label_column="species").ids[0]
    review = tmp_path / "review.csv"
    review.write_text(f"id,decision,label,dataset\n{image_id},keep,x,{audited / 'table.csv'}\n")
    assert set(open_images(review, label_column="species").class_names) == {"x", "y"}
    with pytest.raises(DataError, match=r"was x in the review and is a in the data.*--label-column"):
        open_images(review)
    audit(audited / "table.csv", source={"label_column": "species"}, weights="none", output=tmp_path / "found")
    assert "train --data review.csv --label-column species" in (tmp_path / "found" / "audit.html").read_text()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("dark/00.png,hide,,data", "the decision on dark/00.png is 'hide'; expected keep, drop, relabel"),
        ("dark/00.png,relabel,brght,data", "label 'brght'"),
        ("dark/none.png,drop,,data", "names 1 images that data does not have"),
    ],
)
def test_a_wrong_review_is_refused(audited: Path, row: str, message: str) -> None:
    path = audited / "wrong.csv"
    path.write_text(f"id,decision,label,dataset\n{row}\n", encoding="utf-8")
    with pytest.raises(DataError, match=message):
        open_images(path)
