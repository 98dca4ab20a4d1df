"""What of a run goes to a hub: card, model, predictions, scores and options; no images, and no paths of this machine."""

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tfvision.errors import DamagedError, DataError, one_line
from tfvision.prediction.stored import FACTS_FILE, newest_version
from tfvision.report.card.card import render_card
from tfvision.report.folder import read_run_files
from tfvision.runs.folder import Run
from tfvision.runs.names import (
    ATTACK_CURVES,
    ATTACK_SCORES,
    ATTACK_TABLE,
    CALIBRATION_AFTER,
    CALIBRATION_CURVE,
    CANDIDATES,
    CERTIFICATES,
    CERTIFIED_CURVE,
    CONFIG,
    CONFUSION_MATRIX,
    CORRUPTION_CURVES,
    CORRUPTION_SCORES,
    DATA_FACTS,
    DECISION,
    ENSEMBLE,
    HISTORY,
    IOU_HISTOGRAM,
    LEARNING_CURVES,
    METRICS,
    MODEL,
    PLOTS,
    PRECISION_RECALL,
    PREDICTIONS,
    PSEUDO_RESULTS,
    ROC,
)
from tfvision.system.csv_table import TableWriter, csv_rows
from tfvision.system.files import read_json, read_written
from tfvision.system.local_paths import is_absolute, local_folders, shorten_paths
from tfvision.system.terminal import size_text

SAVED_MODEL = "saved_model"
README = "README.md"  # what a hub shows of a repository
_TEXTS = (
    PREDICTIONS, METRICS, CONFIG, HISTORY, DATA_FACTS, DECISION, ENSEMBLE, CANDIDATES, PSEUDO_RESULTS,
    CORRUPTION_SCORES, "corruptions.csv", CERTIFICATES, "certify.csv", ATTACK_SCORES, ATTACK_TABLE,
)  # fmt: skip
# Drawn from numbers alone. The other pictures of a run, and its report, show images of the data.
_PLOTS = (
    LEARNING_CURVES, CONFUSION_MATRIX, PRECISION_RECALL, ROC, CALIBRATION_CURVE, CALIBRATION_AFTER, IOU_HISTOGRAM,
    CORRUPTION_CURVES, CERTIFIED_CURVE, ATTACK_CURVES,
)  # fmt: skip
# The members of a .keras archive that `keras.saving.load_model("hf://...")` reads from the top of a repository.
_UNPACKED = ("config.json", "metadata.json", "model.weights.h5")
_CHUNK = 2**20


@dataclass(frozen=True)
class HubFile:
    """A file as it is to stand in a repository.

    Attributes:
        name: Its path there.
        size: Bytes.
        source: Its content; or the file on this machine, of which `member` is taken if it is an archive.
        member: The name of a member of the archive; "" for the whole file.
    """

    name: str
    size: int
    source: bytes | Path
    member: str = ""

    def describe(self) -> str:
        """Return its size and name as a line."""
        size = size_text(self.size) if self.size >= 1000 else f"{self.size} B"
        return f"{size:>8}  {self.name}"


def hub_files(run: Run, repo: str, saved_model: Path | None, licence: str) -> tuple[list[HubFile], list[str]]:
    """Return what goes to a hub, and what a user should know.

    Args:
        run: A finished run or ensemble.
        repo: The repository, such as `me/cells`, which its card names.
        saved_model: A version of a SavedModel of the run; None without.
        licence: Identifier of the licence of the model; "" if none is stated.

    Returns:
        The files, the card first, and notes.

    Raises:
        DataError: A file is damaged, or one that cannot be changed, such as the model, names a folder of this machine.
    """
    content = read_run_files(run.folder)
    # A report says what it lacks; what is published is whole.
    if unread := [run.folder / name for name in content.missing if (run.folder / name).exists()]:
        read_written(unread[0])  # which says what is wrong, if it is not only its content
        raise DamagedError(unread[0], "it is not what a run holds")
    card = render_card(content, repo=repo, licence=licence, saved_model=saved_model is not None)
    texts = [_without_paths(path, run) for path in _texts(run)]
    found = [_text_file(README, card), *(each for each, _ in texts), *_model_files(run.folder / MODEL)]
    if saved_model is not None:
        found += [HubFile(f"{SAVED_MODEL}/{name}", path.stat().st_size, path) for name, path in _below(saved_model)]
    _refuse_local_folders(found)
    notes = [
        f"{each.name}: {count} absolute path{'s' * (count > 1)} shortened to the last name"
        for each, count in texts
        if count
    ]
    return found, notes


def find_saved_model(run: Run, folder: Path) -> tuple[Path | None, str]:
    """Find the SavedModel that was exported from a run as it is now.

    Args:
        run: The run.
        folder: The folder of the SavedModel's versions.

    Returns:
        The newest version, or None, and why there is none.
    """
    version = newest_version(folder)
    if version is None or not (version / FACTS_FILE).is_file():
        return None, f"no SavedModel in {folder}"
    model = run.folder / (ENSEMBLE if run.is_ensemble else MODEL)
    same = read_json(version / FACTS_FILE) == json.loads(run.facts.to_json())
    if not same or (version / "saved_model.pb").stat().st_mtime < model.stat().st_mtime:
        return None, f"{version} was exported from another run, or before this one was changed"
    return version, ""


def _texts(run: Run) -> list[Path]:
    plots = [run.folder / PLOTS / name for name in _PLOTS]
    return [path for path in (*(run.folder / name for name in _TEXTS), *plots) if path.is_file()]


def _without_paths(path: Path, run: Run) -> tuple[HubFile, int]:
    name, text = path.relative_to(run.folder).as_posix(), read_written(path)
    if path.suffix == ".svg":  # a drawing has coordinates and class names
        return _text_file(name, text), 0
    if path.suffix == ".csv":
        return _table_without_paths(name, text)
    text, count = shorten_paths(text, run.config.data, str(run.folder.absolute()))
    return _text_file(name, text), count


def _table_without_paths(name: str, text: str) -> tuple[HubFile, int]:
    """Shorten the cells that are absolute paths; the id of an image may hold anything else, and stays."""
    rows = list(csv_rows(io.StringIO(text, newline="")))
    count = sum(is_absolute(cell) for row in rows for cell in row)
    if count:
        written = io.StringIO(newline="")
        shortened = ([shorten_paths(cell, cell)[0] if is_absolute(cell) else cell for cell in row] for row in rows)
        TableWriter(written).writerows(shortened)
        text = written.getvalue()
    return _text_file(name, text), count


def _text_file(name: str, text: str) -> HubFile:
    content = text.encode("utf-8")
    return HubFile(name, len(content), content)


def _model_files(path: Path) -> list[HubFile]:
    """Return the model, and the same unpacked, which is what Keras itself reads from a hub; nothing of an ensemble."""
    if not path.is_file():
        return []
    try:
        with zipfile.ZipFile(path) as archive:
            members = {each.filename: each.file_size for each in archive.infolist()}
            broken = archive.testzip()
    except Exception as error:  # whatever a damaged archive raises
        raise DamagedError(path, one_line(error) or type(error).__name__) from None
    if broken:
        raise DamagedError(path, f"its {broken} is not what was written")
    unpacked = [HubFile(name, members[name], path, name) for name in _UNPACKED if name in members]
    return [HubFile(MODEL, path.stat().st_size, path), *unpacked]


def _below(folder: Path) -> list[tuple[str, Path]]:
    return [(path.relative_to(folder).as_posix(), path) for path in sorted(folder.rglob("*")) if path.is_file()]


def _refuse_local_folders(files: list[HubFile]) -> None:
    """Refuse a file that names the home folder, the current or the temporary one: it cannot be taken back."""
    places = [place.encode() for place in local_folders()]
    for each in files:
        for place in places:
            if any(place in piece for piece in _pieces(each.source, len(place))):
                raise DataError(
                    f"{each.name} of the run names {place.decode()}, a folder of this machine, which nobody else should see; "
                    "nothing was pushed"
                )


def _pieces(source: bytes | Path, overlap: int) -> Iterator[bytes]:
    """Yield the content in pieces that overlap, so that nothing is missed where they meet."""
    if isinstance(source, bytes):
        yield source
        return
    with open(source, "rb") as file:
        tail = b""
        while piece := file.read(_CHUNK):
            yield tail + piece
            tail = piece[-overlap:]
