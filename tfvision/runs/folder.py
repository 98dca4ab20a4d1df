"""Create a run folder, or open one."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tfvision.config.options import from_dict
from tfvision.config.yaml import load_written_yaml
from tfvision.errors import DamagedError, DataError, UsageError, listing
from tfvision.runs.names import (
    COMPARISON,
    CONFIG,
    ENSEMBLE,
    LOCK,
    METRICS,
    MODEL,
    PLOTS,
    PREDICTIONS,
    SEEDS,
    SPLITS,
    WRITING,
)
from tfvision.runs.wholeness import checked_metrics, checked_splits
from tfvision.system.digests import keep_digests
from tfvision.system.files import (
    filled_beside,
    not_written,
    read_json,
    read_written_rows,
    refuse_no_text,
    write_text,
)
from tfvision.system.locks import locked
from tfvision.system.shown import Shown
from tfvision.tasks import has_boxes
from tfvision.training.config import TrainConfig

if TYPE_CHECKING:
    import keras

    from tfvision.evaluation.box_predictions import BoxPredictions
    from tfvision.evaluation.predictions import Predictions
    from tfvision.models.model_file import ModelFacts


@dataclass(frozen=True, repr=False)
class Run(Shown):
    """A run folder, opened.

    Its files are read when they are asked for, and so are the modules that read them: whether a folder is a run is
    known without NumPy.

    Attributes:
        folder: Path of the folder.
    """

    folder: Path

    drawn_by: ClassVar[str] = "run"

    def __repr__(self) -> str:
        try:
            part = self.scored_part
            scores = self.metrics[part]
            name = "accuracy" if scores.get("accuracy") is not None else "mean_iou"
            score = f"{part} {name.replace('_', ' ')} {scores[name]:.4f}"
        except Exception:  # an unfinished or damaged folder is named all the same
            return f"Run({self.folder}: no scores yet)"
        interval = (scores.get("ci95") or {}).get(name)
        bounds = f" [{interval[0]:.4f}, {interval[1]:.4f}]" if interval else ""
        return f"Run({self.folder}: {score}{bounds}, n={scores.get('n', 0):,})"

    def __fspath__(self) -> str:
        return str(self.folder)  # a run is taken wherever the path of one is

    def show_mistakes(self, n: int = 12) -> Shown:
        """Show the wrong predictions that the model was surest of, or the boxes that overlap least with the true ones.

        Args:
            n: How many, at most; the run keeps a few dozen. Of boxes it keeps one picture.

        Returns:
            A picture, which a notebook shows.
        """
        return self.drawing.show_mistakes(self, n)

    def show_curves(self) -> Shown:
        """Show loss, scores and learning rate after each epoch; a picture, which a notebook shows."""
        return self.drawing.show_curves(self)

    def predict(self, images: Any, *, top: int = 3, trust: bool = False, **source: Any) -> Shown:
        """Ask the model about photos.

        Args:
            images: An image, a folder or .zip of images, a set of images or one of them, `images[3]`; labels are ignored.
            top: How many classes are shown for each.
            trust: Load SavedModels of an ensemble even if they might read files, open connections or run Python.
            **source: How the images are read, see `tfvision.predict`.

        Returns:
            The answers, which a notebook shows; `.predictions` are the numbers.

        Raises:
            DataError: No such image, or it is unreadable.
        """
        return self.drawing.ask(self, images, top=top, options=source, trust=trust)

    @property
    def is_ensemble(self) -> bool:
        """Whether it combines other runs and has no model of its own."""
        return (self.folder / ENSEMBLE).is_file()

    @cached_property
    def config(self) -> TrainConfig:
        """The resolved configuration; of an ensemble, where its images are and the seed."""
        if self.is_ensemble:
            from tfvision.runs.ensemble import read_ensemble

            options = read_ensemble(self.folder).options
            try:
                return from_dict(TrainConfig, {"backbone": "ensemble", **options})
            except (UsageError, TypeError) as error:
                raise DamagedError(self.folder / ENSEMBLE, str(error)) from None
        path = self.folder / CONFIG
        values = load_written_yaml(path)
        try:
            return from_dict(TrainConfig, values)
        except UsageError as error:
            raise DamagedError(path, f"{error}, or it is of another version") from None

    @cached_property
    def facts(self) -> "ModelFacts":
        """What is stored with its model: task, class names, resize, decision."""
        from tfvision.models.model_file import read_facts
        from tfvision.runs.ensemble import read_ensemble

        return read_ensemble(self.folder).facts if self.is_ensemble else read_facts(self.folder / MODEL)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of the model's outputs; of two, the second is the positive one."""
        return self.facts.class_names

    @property
    def metrics(self) -> dict[str, Any]:
        """The content of metrics.json: `{"validation": {...}, "test": {...}}`.

        Raises:
            DataError: The run did not finish, or the file is damaged.
        """
        path = self.folder / METRICS
        if not path.is_file():
            raise DataError(
                f"{self.folder} has no {METRICS}: the run did not finish; go on with `tfvision train --resume {self.folder}`"
            )
        return checked_metrics(read_json(path), path)

    @property
    def scored_part(self) -> str:
        """The part whose scores count: test, or validation if there is no test part.

        Raises:
            DataError: The run did not finish.
        """
        from tfvision.evaluation.parts import judged_part

        return judged_part(self.metrics)

    @property
    def predictions(self) -> "Predictions | BoxPredictions":
        """The predictions for validation and test: predictions.csv, with the decision of the run applied.

        Raises:
            DataError: The file is missing, or not of the images of splits.csv.
        """
        from tfvision.evaluation.predictions import Predictions

        found = self.plain_predictions
        return found.decide(self.facts.decision) if isinstance(found, Predictions) else found

    @property
    def plain_predictions(self) -> "Predictions | BoxPredictions":
        """The predictions for validation and test as the model gave them, without a decision.

        Raises:
            DataError: The file is missing, or not of the images of splits.csv.
        """
        from tfvision.evaluation.box_predictions import read_box_predictions
        from tfvision.evaluation.predictions import read_predictions
        from tfvision.runs.wholeness import check_predictions

        path, facts = self.folder / PREDICTIONS, self.facts
        if not path.is_file():
            _ = self.metrics  # says that the run did not finish, if that is why
        found = read_box_predictions(path) if has_boxes(facts.task) else read_predictions(path)
        hidden = self.config.pseudo.labels is not None
        check_predictions(found, facts, self.splits, path, all_labelled=not hidden)
        return found

    @cached_property
    def splits(self) -> list[dict[str, str]]:
        """The rows of splits.csv: id, part, label and content hash of each image."""
        return checked_splits(read_written_rows(self.folder / SPLITS, ("id", "part", "label")), self.folder / SPLITS)

    @property
    def parts(self) -> dict[str, str]:
        """The part of the split of each image, by id."""
        return {row["id"]: row["part"] for row in self.splits}

    def store_facts(self, facts: "ModelFacts") -> "Run":
        """Replace what is stored with the model, such as its decision.

        Args:
            facts: The new facts.

        Returns:
            The run, opened again.

        Raises:
            WriteError: The file cannot be written.
        """
        from tfvision.models.model_file import replace_facts
        from tfvision.runs.ensemble import replace_ensemble_facts

        if self.is_ensemble:
            replace_ensemble_facts(self.folder, facts)
        else:
            replace_facts(self.folder / MODEL, facts)
        return open_run(self.folder)

    def model(self) -> "keras.Model":
        """Load the best model, which takes raw pixels and returns probabilities, boxes or both.

        Returns:
            The Keras model.

        Raises:
            UsageError: The run is an ensemble, whose models are those of its members.
        """
        if self.is_ensemble:
            raise UsageError(f"{self.folder} is an ensemble and has no model of its own; name one of its members")
        from tfvision.models.model_file import load_model

        return load_model(self.folder / MODEL)


def create_run(folder: Path, files: Mapping[str, str], fill: Callable[[Path], None] = lambda folder: None) -> Run:
    """Create a run folder with its first files; either all of it appears or nothing.

    Args:
        folder: The run folder.
        files: File name to text.
        fill: Writes what is no text; given the folder under its temporary name.

    Returns:
        The new run.

    Raises:
        UsageError: The folder exists already, or cannot be created.
        RunError: A file cannot be written.
    """
    refuse_existing(folder)
    try:
        with filled_beside(folder) as temporary:
            (temporary / PLOTS).mkdir()
            keep_digests(temporary)
            for name, text in files.items():
                write_text(temporary / name, text)
            fill(temporary)
    except OSError as error:
        refuse_existing(folder)  # another process may have created it meanwhile
        raise UsageError(f"cannot make the run folder {folder}: {error.strerror}; choose another --output") from None
    return Run(folder)


@contextmanager
def training_alone(folder: Path) -> Iterator[None]:
    """Keep other processes from training in a run folder.

    Args:
        folder: The run folder.

    Yields:
        Nothing; the folder is locked inside the `with` block.

    Raises:
        UsageError: Another process is training there.
        WriteError: The folder cannot be written to.
    """

    def refuse() -> None:
        raise UsageError(f"another process is training in {folder}; wait for it, or choose another --output")

    with ExitStack() as held:
        try:
            held.enter_context(locked(folder / LOCK, refuse))
        except OSError as error:
            raise not_written(folder / LOCK, error) from error
        yield


@contextmanager
def making_alone(folder: Path) -> Iterator[None]:
    """Keep other processes from making the same folder, which appears only when the work is done.

    Args:
        folder: The folder to be made.

    Yields:
        Nothing; its name is taken inside the `with` block.

    Raises:
        UsageError: The folder exists already, or another process is making it.
        WriteError: Nothing can be written beside it.
    """

    def refuse() -> None:
        raise UsageError(f"another process is making {folder}; wait for it, or choose another --output")

    refuse_existing(folder)
    with ExitStack() as held:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(folder.with_name(f".{folder.name}.lock"), refuse))
        except OSError as error:
            raise not_written(folder, error) from error
        refuse_existing(folder)  # it may have been made just before
        yield


@contextmanager
def writing_in_turn(folder: Path) -> Iterator[None]:
    """Write files that belong together: of several processes that write them to one folder, each waits for the other.

    Args:
        folder: The folder; made if it is missing.

    Yields:
        Nothing, while no other process is inside such a `with` block.

    Raises:
        WriteError: The folder cannot be written to.
    """
    with ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(folder / WRITING, lambda: None))
        except OSError as error:
            raise not_written(folder / WRITING, error) from error
        yield


def refuse_existing(folder: Path) -> None:
    """Raise a UsageError if anything exists at `folder` already, or its name is no text."""
    refuse_no_text(folder)
    if os.path.lexists(folder):
        way = "choose another --output or remove it"
        if (folder / CONFIG).is_file() and not (folder / METRICS).is_file():
            way = f"its run did not finish: go on with `tfvision train --resume {folder}`, or {way}"
        raise UsageError(f"{folder} exists already and is never overwritten; {way}")


def open_run(folder: Run | Path | str) -> Run:
    """Open the folder of a run that has a model; a run anew, since it may have got a decision meanwhile.

    Args:
        folder: The run folder.

    Returns:
        The run.

    Raises:
        DataError: There is no such folder, it has no model yet, or it compares several runs.
    """
    folder = Path(folder)
    refuse_several_runs(folder)
    if not (folder / MODEL).is_file() and not (folder / ENSEMBLE).is_file():
        if (folder / CONFIG).is_file():
            raise DataError(f"{folder} has no model yet; finish it with `tfvision train --resume {folder}`")
        what = "has no " + MODEL if folder.is_dir() else "does not exist"
        raise DataError(f"{folder} is not a run: it {what}; expected a folder written by `tfvision train`")
    return Run(folder)


def refuse_missing_model(path: Path | str) -> None:
    """Raise a DataError if nothing exists where a run or a SavedModel should be, or its name is no text."""
    refuse_no_text(path)
    if not Path(path).exists():
        raise DataError(
            f"{path} does not exist; expected a run folder of `tfvision train` or a SavedModel of `tfvision export`"
        )


def best_run(folder: Path) -> Run:
    """Return the run in `folder`, or the best by validation if several are compared there."""
    if not (folder / COMPARISON).is_file():
        return Run(folder)
    path = folder / COMPARISON
    best = [row["run"] for row in read_written_rows(path, ("run", "best")) if row["best"] == "1"]
    if len(best) != 1 or not (folder / best[0]).is_dir():
        raise DamagedError(path, "it does not say which run is the best")
    return Run(folder / best[0])


def refuse_several_runs(folder: Path) -> None:
    """Raise a DataError if `folder` is no run and holds runs: of several classifiers, seeds or folds."""
    if (folder / ENSEMBLE).is_file() or (folder / MODEL).is_file():
        return
    if runs := sorted(path.parent.as_posix() for path in folder.glob(f"*/{MODEL}")):
        what = "a run for each of several seeds" if (folder / SEEDS).is_file() else "several runs"
        raise DataError(f"{folder} holds {what}; name one of them: {listing(runs, 20)}")
