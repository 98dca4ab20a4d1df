"""What `tfvision attack` does: attack a run as someone would who knows it, and say whether the figures can be believed."""

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfvision.config.options import from_dict
from tfvision.data.images.imageset import ImageSet
from tfvision.data.options import Source
from tfvision.data.sources.python import Held
from tfvision.errors import DataError, UsageError
from tfvision.prediction.images import images_to_score
from tfvision.prediction.stored import StoredModel, find_model
from tfvision.robustness.attack_options import AttackOptions, parse_budgets
from tfvision.robustness.attack_scores import AttackScores
from tfvision.robustness.attacks.table import parse_methods
from tfvision.runs.folder import writing_in_turn
from tfvision.system.files import refuse_unwritable
from tfvision.system.terminal import in_one_output
from tfvision.tasks import has_boxes

if TYPE_CHECKING:
    from tfvision.robustness.attacker import Attacker

_SOURCE = set(Source.__dataclass_fields__)


@in_one_output
def attack(
    *runs: str | PathLike[str],
    method: str | Sequence[str] = "fgsm,pgd",
    epsilon: str | float | Sequence[float] = "0.25,0.5,1,2,4,8",
    data: "str | Path | Held | ImageSet | None" = None,
    output: str | Path | None = None,
    **options: Any,
) -> AttackScores:
    """Attack a run on its own test images, or on others: white box, in pixel units, on its logits.

    With `output`, a JSON file is written there and the table and pictures beside it. Without, all go into the run and
    its report if the images are the run's own, and are not written for other data.

    Args:
        *runs: Run folders, ensembles or `.keras` files of runs. The first is attacked; the others are for `transfer`.
        method: Attacks, see `ATTACKS`, separated by commas; or `all`, which needs one run only.
        epsilon: Budgets in pixel units 0..255.
        data: Labelled images, see `open_images`, or a set of them; None for the first run's own test part.
        output: A JSON file to write the scores to.
        **options: `norm`, `limit`, `seed`, `steps` and the other options of the command line, and how the data is read.

    Returns:
        The scores, the checks of whether they can be believed, and the files written.

    Raises:
        UsageError: An unknown attack or option, a model that predicts boxes, or one run for `transfer`.
        DataError: No such run or data, or classes that a run does not know.
        RunError: A file cannot be written, or memory runs out.
    """
    methods = parse_methods(method if isinstance(method, str) else ",".join(method))
    budgets = parse_budgets(_joined(epsilon))
    source = from_dict(Source, {key: value for key, value in options.items() if key in _SOURCE})
    chosen = from_dict(AttackOptions, {key: value for key, value in options.items() if key not in _SOURCE})
    stored = _find(runs, methods)
    refuse_unwritable(output)
    part, images, _ = images_to_score(stored[0], data, source)
    images = _drawn(images, chosen)
    notes = _notes(stored, images, part, budgets, chosen, data is None)
    attackers = [_load(fspath(run), each, chosen) for run, each in zip(runs, stored, strict=True)]

    from tfvision.robustness.attack_files import write_attack
    from tfvision.robustness.scoring import score_attacks

    scores, pictures = score_attacks(attackers, images, part, methods, budgets, chosen, notes)
    if output is not None:
        with writing_in_turn(Path(output).parent):
            written = write_attack(scores, pictures, Path(output), Path(output).parent)
    elif data is None:
        from tfvision.report.page import write_pages
        from tfvision.runs.names import ATTACK_SCORES, PLOTS

        folder = stored[0].path if stored[0].path.is_dir() else stored[0].path.parent
        with writing_in_turn(folder):
            written = [*write_attack(scores, pictures, folder / ATTACK_SCORES, folder / PLOTS), *write_pages(folder)]
    else:
        written = []
    return replace(scores, written=tuple(written))


def _joined(epsilon: str | float | Sequence[float]) -> str:
    return str(epsilon) if isinstance(epsilon, str | float | int) else ",".join(map(str, epsilon))


def _find(runs: Sequence[str | PathLike[str]], methods: Sequence[str]) -> list[StoredModel]:
    """Find the runs, and refuse what cannot be attacked, before TensorFlow is loaded."""
    if not runs:
        raise UsageError("attack needs a run, got none")
    names = [fspath(run) for run in runs]
    if len(set(names)) < len(names):
        raise UsageError(f"a run is given twice: {', '.join(names)}")
    if "transfer" in methods and len(runs) < 2:
        raise UsageError("--method transfer attacks one run with what was made against others; give two runs or more")
    if "transfer" not in methods and len(runs) > 1:
        raise UsageError("several runs are for --method transfer; add it, or give one run")
    stored = [find_model(run) for run in runs]
    for name, each in zip(names, stored, strict=True):
        if has_boxes(each.facts.task):
            raise UsageError(f"attack changes classes, and {name} finds boxes; give a run that predicts classes alone")
        if each.file.suffix != ".keras" and not each.is_ensemble:
            raise UsageError(f"{name} is a SavedModel, through which no gradient goes; attack the run it came from")
    first = stored[0].facts.class_names
    for name, each in zip(names, stored, strict=True):
        if set(each.facts.class_names) != set(first):
            raise DataError(f"{name} has other classes than {names[0]}; attack runs on the same classes")
    return stored


def _drawn(images: ImageSet, options: AttackOptions) -> ImageSet:
    import numpy as np

    if len(images) <= options.limit:
        return images
    order = np.random.default_rng(options.seed).permutation(len(images))
    return images.select(np.sort(order[: options.limit]))


def _notes(
    stored: Sequence[StoredModel],
    images: ImageSet,
    part: str,
    budgets: Sequence[float],
    options: AttackOptions,
    own: bool,
) -> list[str]:
    """Return what a user should know before reading the figures."""
    notes = [f"{len(images):,} images of {part}, seed {options.seed}"]
    if options.norm == "l2":
        notes.append("L2 budgets: float pixels only, since rounding to whole numbers would leave the budget")
    elif fractions := [f"{value:g}" for value in budgets if not value.is_integer()]:
        notes.append(
            f"epsilon {', '.join(fractions)}: float pixels only, since rounding to whole numbers would leave the budget; "
            "whole budgets are rounded to uint8 and scored as files"
        )
    if own:
        notes += [note for each in stored[1:] if (note := _seen_in_training(each, images))]
    return notes


def _seen_in_training(stored: StoredModel, images: ImageSet) -> str:
    from tfvision.runs.folder import open_run

    if not stored.path.is_dir():
        return ""
    parts = open_run(stored.path).parts
    seen = sum(parts.get(image_id) == "train" for image_id in images.ids)
    return f"{stored.path} was trained on {seen:,} of these images, so its accuracy on them flatters it" if seen else ""


def _load(name: str | Path, stored: StoredModel, options: AttackOptions) -> "Attacker":
    predictor = stored.load()

    from tfvision.robustness.attacked import attacked_model
    from tfvision.robustness.attacker import Attacker

    return Attacker(attacked_model(str(name), predictor), options.norm, options)
