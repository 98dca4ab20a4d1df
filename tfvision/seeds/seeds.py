"""The same training once for each of several seeds: how much of a score is the luck of the draw."""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tfvision.config.nested import merge, to_plain
from tfvision.config.options import from_dict
from tfvision.config.yaml import dump_yaml
from tfvision.errors import DataError, UsageError
from tfvision.evaluation.spread import Spread, score_of
from tfvision.experiment.resolving import default_folder, resolve_options
from tfvision.experiment.train import alike, train_from_config, train_part
from tfvision.models.backbones.table import plain_name
from tfvision.runs.folder import Run, refuse_existing
from tfvision.runs.names import METRICS, SEEDS, SEEDS_TABLE
from tfvision.runs.resume import part_of, resume_command
from tfvision.runs.seeds import read_seeds_file, seed_folder
from tfvision.seeds.given import read_seeds
from tfvision.seeds.scores import SeedScores
from tfvision.system.csv_table import TableWriter
from tfvision.system.files import appearing, write_json, write_text
from tfvision.system.terminal import console, in_one_output, say_result
from tfvision.training.config import TrainConfig


@in_one_output
def train_seeds(
    seeds: int | str | Sequence[int] | None = None,
    *,
    output: str | Path | None = None,
    resume: bool = False,
    dry_run: bool = False,
    **options: Any,
) -> SeedScores | None:
    """Train a run for each of several seeds: mean, standard deviation and worst of every score.

    A seed draws the split, the initial weights, the order and the augmentation; with `split={"file": ...}` all seeds
    have the same images in each part. Features of frozen layers are shared: each image passes the frozen part once.

    Args:
        seeds: Their number, `5`, which begins at `seed` (0); or the seeds themselves: a list, `"11-20"` or `"3,5,8"`. Only
            with `resume` they may be left out.
        output: The folder of the runs, `seed_0` and so on; default `runs/<data>-<backbone>-seeds-<time>`.
        resume: Go on in `output` with its own options: seeds that are finished are kept, and more can be asked for.
        dry_run: Check everything and run one batch of the first seed; write nothing.
        **options: Options of the command line, as in `train`.

    Returns:
        The scores; None for a dry run.

    Raises:
        UsageError: Wrong seeds, options that are unknown or do not go together, or a folder that exists already.
        DataError: No such data, unreadable images, or a class with fewer than 3 images.
        RunError: The loss became NaN, or memory or disk space ran out.
    """
    own = read_seeds_file(Path(output)) if resume and output is not None else {}
    begun = own.pop("seeds", None)
    seeds = begun if seeds is None else seeds
    if seeds is None:
        raise UsageError(
            "resume needs output, the folder of the seeds" if resume else "seeds: expected how many, got none"
        )
    where = {} if output is None else {"output": str(output)}
    config = from_dict(TrainConfig, merge(own, to_plain(options)) | where)
    chosen = read_seeds(seeds, begun[0] if begun else config.seed)
    if config.classifier and "," in config.classifier:
        raise UsageError(f"seeds: one classifier at a time, got {config.classifier}; give one")
    folder = Path(config.output or default_folder(config.data, f"{plain_name(config.backbone)}-seeds"))
    if not resume:
        resolve_options(config)  # mistakes are found before the folder is made
        refuse_existing(folder)
    if dry_run:
        train_from_config(replace(config, seed=chosen[0], output=str(seed_folder(folder, chosen[0]))), dry_run=True)
        return None
    with part_of(folder, resume_command(folder)):
        _write_options(folder, dump_yaml({"seeds": list(chosen), **_own_options(config)}))
        runs = []
        for place, seed in enumerate(chosen, start=1):
            console.print(f"\nseed {seed}, {place} of {len(chosen)}")
            runs.append(train_part(replace(config, seed=seed), seed_folder(folder, seed), resume=resume))
            config = alike(config, runs[0].config)
        found = _collect(folder, chosen, runs)
        _write(found)
        from tfvision.seeds.page import write_seeds_report

        report = write_seeds_report(found, runs[0].config)
    say_result(f"\n{found.describe()}\nreport: {report}")
    return replace(found, written=(report,))


def _write_options(folder: Path, text: str) -> None:
    """Write the file by which the folder is known; a folder that is new appears with it."""
    if folder.exists():
        write_text(folder / SEEDS, text)
        return
    with appearing(folder) as temporary:
        write_text(temporary / SEEDS, text)


def _own_options(config: TrainConfig) -> dict[str, Any]:
    """Return the options of all seeds as a file holds them."""
    return {key: value for key, value in to_plain(config).items() if key not in ("seed", "output")}


def _collect(folder: Path, seeds: tuple[int, ...], runs: Sequence[Run]) -> SeedScores:
    if len({run.facts.class_names for run in runs}) > 1:
        raise DataError(f"the seeds in {folder} have different classes; train them again into another --output")
    part = runs[0].scored_part
    images = {frozenset(image for image, of in run.parts.items() if of == part) for run in runs}
    return SeedScores(folder, seeds, part, tuple(run.metrics[part] for run in runs), len(images) == 1)


def _write(found: SeedScores) -> None:
    text = io.StringIO(newline="")
    writer = TableWriter(text)
    writer.writerow(("seed", "part", "n", *found.names))
    for seed, scores in zip(found.seeds, found.scores, strict=True):
        writer.writerow((seed, found.part, scores["n"], *(f"{score_of(scores, name):.6g}" for name in found.names)))
    for label in Spread._fields:
        writer.writerow((label, found.part, "", *(f"{getattr(found.spread(name), label):.6g}" for name in found.names)))
    write_text(found.folder / SEEDS_TABLE, text.getvalue())
    spread = {name: found.spread(name)._asdict() for name in found.names}
    same = {"seeds": list(found.seeds), "same_images": found.same_images}
    write_json(found.folder / METRICS, {found.part: {**same, "scores": spread}})
