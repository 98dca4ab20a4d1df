"""Compare runs on the same test images: which is better, and is the difference more than chance?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike, fspath
from pathlib import Path

import numpy as np

from tfvision.errors import DataError, UsageError, listing
from tfvision.evaluation.paired import Difference, mean_differences, paired_differences
from tfvision.evaluation.predictions import Predictions, read_predictions
from tfvision.evaluation.score_names import Score, brief_scores, direction
from tfvision.runs.folder import open_run, writing_in_turn
from tfvision.runs.names import COMPARISON, COMPARISON_PLOT
from tfvision.runs.seeds import holds_seeds, read_seeds_file, seed_folder
from tfvision.system.csv_table import TableWriter
from tfvision.system.files import refuse_unwritable, replacing
from tfvision.system.shown import Record
from tfvision.system.tables import TextTable
from tfvision.system.terminal import in_one_output
from tfvision.tasks import has_boxes

_FEW = 30  # images, below which a bootstrap interval is far too narrow


@dataclass(frozen=True)
class Answers:
    """The predictions of one run, or from one file, for its test images.

    Attributes:
        name: The run or file, as the user wrote it.
        predictions: Predictions for labelled images, with the run's decision applied.
        hashes: Image id to content hash; empty if unknown.
    """

    name: str
    predictions: Predictions
    hashes: Mapping[str, str]


@dataclass(frozen=True, repr=False)
class Comparison(Record):
    """Runs compared with the first of them on the same test images.

    Attributes:
        baseline: The name of the first run.
        differences: Name of each other run to its differences: score name to difference, where `first` is the score
            of the first run.
        written: The files written.
        seeds: The seeds whose runs were compared, where folders of several seeds were given.
    """

    baseline: str
    differences: Mapping[str, Mapping[str, Difference]]
    written: tuple[Path, ...] = ()
    seeds: tuple[int, ...] = ()

    def tables(self) -> list[TextTable]:
        """Return for each score every run's difference to the baseline, its interval, and whether it is clear."""
        return [_table(score, self.baseline, self.differences) for score in brief_scores()]

    def remarks(self) -> list[str]:
        """Return what the intervals are, and of how many images."""
        n = min(one.n for scores in self.differences.values() for one in scores.values())
        if self.seeds:
            said = f"means over {len(self.seeds)} seeds ({', '.join(map(str, self.seeds))}); the 95 % interval is Student's t "
            lines = [said + f"over the seeds' differences, each on the same {n:,} test images or more for both"]
        else:
            lines = [
                f"difference to the first run with its 95 % interval, from resampling the same {n:,} test images for both"
            ]
        if n < _FEW:
            lines.append(f"{n:,} images are too few to tell runs apart: an interval over so few is not to be trusted")
        if len(self.differences) > 2:
            lines.append("each interval is for its pair alone: of twenty, one misses by chance")
        return lines


@in_one_output
def compare(*runs: str | PathLike[str], common: bool = False, output: str | Path | None = None) -> Comparison:
    """Compare runs on the same test images, each with the first, by a paired bootstrap.

    Folders of several seeds are compared seed by seed: by the mean difference over the seeds that all of them have.

    Args:
        *runs: Run folders, CSV files of predictions with labels, or folders of `train --seeds`; two or more.
        common: If the test images differ, compare on those that all runs share.
        output: A folder to write comparison.csv and comparison.svg to.

    Returns:
        The differences to the first run, with their intervals.

    Raises:
        UsageError: Fewer than two runs, one given twice, or a run that predicts boxes.
        DataError: The runs differ in test images, labels or classes.
        RunError: The files cannot be written.
    """
    names = [fspath(run) for run in runs]
    refuse_unwritable(None if output is None else Path(output) / COMPARISON)
    seeds = _common_seeds(names)
    found = _compare_seeds(names, seeds, common=common) if seeds else compare_runs(names, common=common)
    written: Sequence[Path] = ()
    if output is not None:
        with writing_in_turn(Path(output)):
            written = write_comparison(output, names[0], found)
    return Comparison(names[0], found, tuple(written), seeds)


def compare_runs(paths: Sequence[str], *, common: bool = False) -> dict[str, Mapping[str, Difference]]:
    """Compare each run with the first one by a paired bootstrap of the same test images.

    Args:
        paths: Run folders, or CSV files of predictions with labels; at least two.
        common: If the test images differ, compare on those that all runs share.

    Returns:
        Name of each run but the first to its differences: score name to difference, where `first` is the score of the
        first run.

    Raises:
        UsageError: Fewer than two runs, one given twice, or a run that predicts boxes.
        DataError: The runs differ in test images, labels or classes.
    """
    _refuse_one(paths)
    answers = _on_same_images([read_answers(path) for path in paths], common=common)
    base = answers[0].predictions
    return {one.name: paired_differences(base, one.predictions) for one in answers[1:]}


def _refuse_one(paths: Sequence[str]) -> None:
    if len(set(paths)) < 2 or len(set(paths)) < len(paths):
        raise UsageError(f"compare needs two different runs or more, got {listing(list(paths)) or 'none'}")


def _common_seeds(paths: Sequence[str]) -> tuple[int, ...]:
    """Return the seeds that all folders of several seeds share; none where runs are compared."""
    several = [path for path in paths if holds_seeds(Path(path))]
    if not several:
        return ()
    _refuse_one(paths)
    if single := [path for path in paths if path not in several]:
        raise UsageError(f"{several[0]} holds several seeds and {single[0]} is one run; compare like with like")
    theirs = [read_seeds_file(Path(path))["seeds"] for path in paths]
    shared = tuple(seed for seed in theirs[0] if all(seed in seeds for seeds in theirs))
    if len(shared) < 2:
        raise DataError(f"{listing(list(paths))} have {len(shared)} seeds in common; a comparison needs two or more")
    return shared


def _compare_seeds(paths: Sequence[str], seeds: Sequence[int], *, common: bool) -> dict[str, Mapping[str, Difference]]:
    """Compare each folder with the first by the runs of the same seed, which must have tested the same images."""
    pairs: dict[str, list[tuple[Predictions, Predictions]]] = {path: [] for path in paths[1:]}
    for seed in seeds:
        first, *others = (read_answers(str(seed_folder(Path(path), seed))) for path in paths)
        for path, other in zip(paths[1:], others, strict=True):
            one, two = _on_same_images([first, other], common=common)
            pairs[path].append((one.predictions, two.predictions))
    return {path: mean_differences(own) for path, own in pairs.items()}


def read_answers(path: str) -> Answers:
    """Read the test predictions of a run folder or of a CSV file.

    Args:
        path: The folder or file.

    Returns:
        The predictions for its labelled test images; for a CSV file without test images, for all labelled ones.

    Raises:
        UsageError: The run predicts boxes.
        DataError: The path is neither, or no test image has a label.
    """
    if Path(path).is_file():
        found, hashes = read_predictions(path), dict[str, str]()
        found = found.part("test") if (found.parts == "test").any() else found
    else:
        run = open_run(path)
        if has_boxes(run.facts.task):
            raise UsageError(f"{path} finds boxes; compare works only for runs that predict classes alone")
        answers = run.predictions
        assert isinstance(answers, Predictions)  # only runs that find boxes have others
        found, hashes = answers.part("test"), {row["id"]: row.get("hash", "") for row in run.splits}
    found = found.select(np.flatnonzero(found.labels >= 0))
    if not len(found):
        raise DataError(f"{path} has no predictions of labelled test images; expected a run with a test part")
    return Answers(path, found, hashes)


def _table(score: Score, baseline: str, found: Mapping[str, Mapping[str, Difference]]) -> TextTable:
    """Return a row for each run: its score, the difference to the baseline with its interval, and whether it is clear."""
    several = any(scores[score.name].runs for scores in found.values())
    first = next(iter(found.values()))[score.name].first
    rows = [(baseline, f"{first:.4f}", "", "", *([""] if several else []))]
    for run, scores in found.items():
        one = scores[score.name]
        interval = f"{one.value:+.4f} [{one.low:+.4f}, {one.high:+.4f}]"
        seeds = [f"{one.better_runs(score.name)} of {len(one.runs)} seeds better"] if several else []
        rows.append((run, f"{one.second:.4f}", interval, one.verdict(score.name), *seeds))
    return TextTable((f"{score.label()} ({direction(score.name)})", *[""] * (len(rows[0]) - 1)), rows)


def write_comparison(folder: Path | str, baseline: str, found: Mapping[str, Mapping[str, Difference]]) -> list[Path]:
    """Write `comparison.csv` with every score of every run, and `comparison.svg`.

    Args:
        folder: The folder to write to; made if missing.
        baseline: Name of the first run.
        found: Differences by run and score, see `compare_runs`.

    Returns:
        The paths of the two files.

    Raises:
        WriteError: They cannot be written.
    """
    from tfvision.comparison.plot import plot_differences  # with matplotlib

    table, picture = Path(folder) / COMPARISON, Path(folder) / COMPARISON_PLOT
    with replacing(table) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = TableWriter(file)
        writer.writerow(["run", "baseline", "score", "value", "baseline_value", "difference", "low", "high", "n"])
        for name, scores in found.items():
            for score, one in scores.items():
                values = (one.second, one.first, one.value, one.low, one.high)
                writer.writerow([name, baseline, score, *(f"{value:.6g}" for value in values), one.n])
    plot_differences(found, picture, title=f"Difference to {baseline}, 95 % interval")
    return [table, picture]


def _on_same_images(answers: Sequence[Answers], *, common: bool) -> list[Answers]:
    """Reduce and reorder all predictions to the images and classes of the first, in its order."""
    first = answers[0]
    shared = set(first.predictions.ids).intersection(*(one.predictions.ids for one in answers[1:]))
    for one in answers[1:]:
        _check_classes(first, one)
        if not common and set(one.predictions.ids) != set(first.predictions.ids):
            raise DataError(
                f"{first.name} and {one.name} tested other images: {len(first.predictions):,} and "
                f"{len(one.predictions):,}, of which all share {len(shared):,}; train with the same --split.file, "
                "or compare on the shared ones with --common"
            )
    if not shared:
        raise DataError(
            f"{listing([one.name for one in answers])} have no test image in common; "
            "train them with the same seed, or one with the --split.file of the other"
        )
    order = [image_id for image_id in first.predictions.ids if image_id in shared]
    chosen = [_reorder(one, order, first.predictions.class_names) for one in answers]
    for one in chosen[1:]:
        _check_images(chosen[0], one)
    return chosen


def _reorder(answers: Answers, ids: Sequence[str], class_names: tuple[str, ...]) -> Answers:
    found = answers.predictions
    decided = replace(found, decided=found.predicted)  # of equal probabilities its own first class stays
    return replace(answers, predictions=decided.aligned(ids, class_names))


def _check_classes(first: Answers, other: Answers) -> None:
    ours, theirs = set(first.predictions.class_names), set(other.predictions.class_names)
    if ours != theirs:
        raise DataError(
            f"{first.name} and {other.name} have other classes ({listing(sorted(ours ^ theirs))} in only one of them); "
            "only runs on the same classes can be compared"
        )


def _check_images(first: Answers, other: Answers) -> None:
    ids, ours, theirs = first.predictions.ids, first.predictions.labels, other.predictions.labels
    if relabelled := [ids[i] for i in np.flatnonzero(ours != theirs)]:
        raise DataError(
            f"{first.name} and {other.name} give {len(relabelled):,} images other labels: {listing(relabelled)}; "
            "score both on the same labels"
        )
    changed = [i for i in ids if first.hashes.get(i, "") != other.hashes.get(i, "")]
    if first.hashes and other.hashes and changed:
        raise DataError(
            f"{first.name} and {other.name} call {len(changed):,} different images by the same id: {listing(changed)}; "
            "only runs on the same data can be compared"
        )
