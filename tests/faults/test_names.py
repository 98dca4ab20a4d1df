"""Names of files and folders may hold anything: what cannot be written is refused before the work, and all else works."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from tfvision.audit.audit import audit
from tfvision.cli import main
from tfvision.data.images.imageset import ImageSet
from tfvision.data.sources.open import open_images
from tfvision.data.storage import directory
from tfvision.errors import DataError, UsageError, listing, printable
from tfvision.runs.folder import refuse_existing, refuse_missing_model
from tfvision.system.files import refuse_unwritable
from tfvision.system.terminal import console, harmless

ODD = os.fsdecode(b"caf\xe9")
CLASSES = ("=1+1", "-x\ny", "[/bold]\x1b[31m", "ü" * 60)


def tree(folder: Path, classes: tuple[str, ...], count: int = 3) -> Path:
    generator = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(count):
            data = cv2.imencode(".png", generator.integers(0, 256, (8, 8, 3)).astype(np.uint8))[1].tobytes()
            (folder / name / f"{number}.png").write_bytes(data)
    return folder


def opened(path: Path) -> ImageSet:
    return open_images(path)


@pytest.mark.parametrize("use", [opened, refuse_existing, refuse_unwritable, refuse_missing_model])
def test_a_path_that_is_no_text_is_refused_before_the_work(use: object, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"caf\\xe9 is not UTF-8 text; rename it"):
        use(tmp_path / ODD)  # type: ignore[operator]


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--data", ODD],
        ["audit", ODD, "--weights", "none"],
        ["audit", "data", "--output", ODD],
        ["predict", ODD, "data"],
        ["predict", "run", "data", "--output", ODD],
        ["evaluate", "run", "--predictions", ODD],
        ["compare", "a", "b", "--output", ODD],
        ["export", "run", "--output", ODD],
    ],
)
def test_every_verb_refuses_it_in_one_line(arguments: list[str], capfd: pytest.CaptureFixture) -> None:
    assert main(arguments) == 2
    said = capfd.readouterr().err
    assert said.count("\n") == 1 and r"caf\xe9 is not UTF-8 text; rename it" in said


def test_a_folder_of_that_name_gives_no_run_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    tree(tmp_path / ODD, ("a", "b"))
    monkeypatch.chdir(tmp_path / ODD)
    assert main(["train", "--data", ".", "--backbone", "small_cnn", "--weights", "none", "--dry-run"]) == 2
    assert r"caf\xe9 is not UTF-8 text" in capfd.readouterr().err


def test_files_and_classes_of_that_name_are_written_with_their_bytes(tmp_path: Path) -> None:
    images = open_images(tree(tmp_path, (ODD, "b")))
    assert images.class_names == ("b", r"caf\xe9") and images.read(len(images) - 1).shape == (8, 8, 3)


def test_an_audit_of_odd_names_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = audit(tree(tmp_path / "data", CLASSES), output="found", weights="none")
    again = open_images("found/clean.csv")
    assert again.ids == found.clean.ids and again.class_names == found.images.class_names
    page = (tmp_path / "found" / "audit.html").read_text(encoding="utf-8")
    assert "\x1b" not in page.replace("&#27;", "") or "[/bold]" in page


@pytest.mark.parametrize("target", [".", "..", "loop"])
def test_a_folder_that_links_to_itself_is_read_once(target: str, tmp_path: Path) -> None:
    folder = tree(tmp_path / "data", ("a", "b"))
    (folder / "a" / "loop").symlink_to(target)
    images = open_images(folder)
    assert len(images) == 6 and any("not read: 1 links" in note for note in images.notes)


def test_data_that_is_a_link_to_itself_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(DataError):
        open_images(tmp_path / "loop")
    for arguments in (
        ["predict", str(tmp_path / "loop"), "x"],
        ["audit", str(tmp_path), "--output", str(tmp_path / "loop")],
    ):
        assert main(arguments) in (2, 3)
        assert capfd.readouterr().err.count("\n") == 1


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders called `closed`, that nobody may read; the administrator, who runs tests in containers, may read all."""
    scan = os.scandir

    def refusing(path: object) -> object:
        if Path(str(path)).name in ("closed", "lost+found"):
            raise PermissionError(13, "Permission denied")
        return scan(path)  # type: ignore[call-overload]

    monkeypatch.setattr(directory.os, "scandir", refusing)


@pytest.mark.usefixtures("unreadable")
def test_a_folder_that_cannot_be_read_matters_only_where_it_is_needed(tmp_path: Path) -> None:
    folder = tree(tmp_path / "data", ("a", "b"))
    (folder / "lost+found").mkdir()
    assert len(open_images(folder)) == 6  # that of the file system itself
    (folder / "closed").mkdir()
    with pytest.raises(DataError, match=r"cannot read the folder .*closed: Permission denied; check its permissions"):
        open_images(folder)
    (folder / "labels.csv").write_text("file,label\na/0.png,x\nb/0.png,y\n")
    for given in (folder / "labels.csv", folder):
        images = open_images(given)
        assert len(images) == 2 and "not read: 1 folders, such as closed/ (Permission denied)" in images.notes
    (folder / "labels.csv").write_text("file,label\na/0.png,x\nclosed/0.png,y\n")
    with pytest.raises(DataError, match=r"closed/0\.png \(row 3\)"):
        open_images(folder / "labels.csv")
    (folder / "labels.csv").write_text("file,xmin,ymin,xmax,ymax\na/0.png,1,1,5,5\n")
    assert (
        "not read: 1 folders, such as closed/ (Permission denied)"
        in open_images(folder / "labels.csv", boxes=True).notes
    )


@pytest.mark.usefixtures("unreadable")
def test_data_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir()
    with pytest.raises(DataError, match="Permission denied"):
        open_images(tmp_path / "closed")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\x1b[2J", r"a\x1b[2J"),
        ("a\nb", r"a\nb"),
        ("\u202egpj", r"\u202egpj"),
        (ODD, r"caf\udce9"),
        ("می‌شود", "می‌شود"),
    ],
)
def test_a_name_in_a_message_prints_and_no_more(text: str, shown: str) -> None:
    assert printable(text) == shown and listing([text]) == shown


def test_what_is_printed_cannot_move_the_cursor(capfd: pytest.CaptureFixture) -> None:
    assert harmless("a\nb\tc\x1b[2Jd\x07") == "a\nb\tc\\x1b[2Jd\\x07"
    console.print("name \x1b]0;title\x07 [/bold]")
    assert capfd.readouterr().out == "name \\x1b]0;title\\x07 [/bold]\n"


def test_an_error_repeats_no_control_character_and_breaks_no_line_but_its_own() -> None:
    error = DataError("a.csv:\n  cat\x1b[2J.png: \r\ntfvision: all is well\n  b\0")
    assert str(error) == "a.csv:\n  cat\\x1b[2J.png: \\r\\ntfvision: all is well\n  b\\x00"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes")
@pytest.mark.parametrize("name", ["d.csv", "d.zip", "d", "d.npz", "d.h5"])
def test_a_pipe_given_as_data_is_refused_and_not_waited_for(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match="is neither a file nor a folder"):
        open_images(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes")
def test_a_pipe_among_images_is_said(tmp_path: Path) -> None:
    for name in ("a/1.png", "b/2.png"):
        (tmp_path / name).parent.mkdir()
        cv2.imwrite(str(tmp_path / name), np.zeros((8, 8, 3), np.uint8))
    os.mkfifo(tmp_path / "b" / "3.png")
    assert open_images(tmp_path).notes == ("not read: 1 that are no plain files (such as b/3.png)",)
