"""What moves a box: the recipe for boxes, cross-validated again and again with one thing changed.

    python benchmarks/boxes.py animals.zip [--only recipe unfreeze-none ...] [--folder FOLDER] [--seed 1]

Every variant predicts each photo by the model of the fold that did not see it, on the same folds, so that its difference
from the recipe is paired: mean over the photos, with its 95 % interval. With --folder what is finished is kept.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")

import numpy as np
from scipy.stats import bootstrap

from tfvision.config import TrainConfig
from tfvision.crossval import cross_validate
from tfvision.evaluation.box_predictions import read_box_predictions
from tfvision.options import from_dict, load_yaml, merge
from tfvision.progress import console
from tfvision.recipes import find_recipe
from tfvision.runs import METRICS, PREDICTIONS

AUGMENT = ("horizontal_flip", "shift", "zoom", "brightness", "contrast", "saturation")
RECIPE, FOLDS, BASE = "animal_localization_best", 5, "recipe"


@dataclass(frozen=True)
class Variant:
    """What is changed: options of the run, and options of each of its phases or of the last one; `None` drops it."""

    options: Mapping[str, Any]
    every_phase: Mapping[str, Any]
    last_phase: Mapping[str, Any] | None


def variant(
    every_phase: Mapping[str, Any] | None = None, last_phase: Mapping[str, Any] | None = {}, **options: Any
) -> Variant:
    return Variant(options, every_phase or {}, last_phase)


VARIANTS = {
    BASE: variant(),
    "head: pooled": variant(box={"head": "pooled"}),
    "head: spatial": variant(box={"head": "spatial"}),
    "loss: giou": variant(box={"loss": "giou"}),
    "loss: smooth_l1+giou": variant(box={"loss": "smooth_l1+giou"}),
    "unfreezing: none": variant(last_phase=None),
    "unfreezing: block_16 on": variant(last_phase={"unfreeze": "block_16,Conv_1"}),
    "unfreezing: block_12 on": variant(last_phase={"unfreeze": "block_12,block_13,block_14,block_15,block_16,Conv_1"}),
    "resolution: 160 px": variant(image_size=160),
    "resolution: 320 px": variant(image_size=320),
    "views: the photo alone": variant(
        every_phase={"views": "exact"}, augment={**dict.fromkeys(AUGMENT, 0), "horizontal_flip": False}
    ),
    "views: 2": variant(every_phase={"views": "2"}),
    "views: 24": variant(every_phase={"views": "24"}),
    "task: class too": variant(task="localize+classify"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, metavar="VARIANT", help=", ".join(VARIANTS))
    parser.add_argument("--folder", help="keep the runs there, and go on with what is there")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    console.quiet = True
    recipe = load_yaml(find_recipe(RECIPE))
    print(f"{'':<26}mean IoU                   IoU > 0.5  difference from the recipe     minutes")
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(args.folder or temporary)
        base = None
        for name in [BASE, *(each for each in args.only or VARIANTS if each != BASE)]:
            config = replace(from_dict(TrainConfig, changed(recipe, VARIANTS[name])), data=args.data, seed=args.seed)
            start = time.perf_counter()
            ious, text = measure(config, root / "".join(c if c.isalnum() else "_" for c in name))
            minutes = (time.perf_counter() - start) / 60
            base = ious if base is None else base
            print(f"{name:<26}{text}  {difference(ious - base):<30} {minutes:.1f}", flush=True)


def changed(recipe: Mapping[str, Any], change: Variant) -> dict[str, Any]:
    """Return the options of a variant."""
    phases = [{**phase, **change.every_phase} for phase in recipe["phases"]]
    phases = phases[:-1] if change.last_phase is None else [*phases[:-1], {**phases[-1], **change.last_phase}]
    return merge(recipe, {**change.options, "phases": phases})


def measure(config: TrainConfig, folder: Path) -> tuple[np.ndarray, str]:
    """Return the IoU of each photo, float64 (n,) by the order of ids, and their scores as text."""
    if not (folder / METRICS).is_file():
        cross_validate(
            replace(config, output=str(folder)), backbones=[config.backbone], folds=FOLDS, resume=folder.is_dir()
        )
    found = read_box_predictions(folder / PREDICTIONS)
    ious = found.ious[np.argsort(found.ids)]
    low, high = interval(ious)
    return ious, f"{ious.mean():.4f} [{low:.4f}, {high:.4f}]  {(ious > 0.5).mean():.4f}"


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the mean."""
    found = bootstrap((values,), np.mean, n_resamples=2000, method="percentile", rng=0).confidence_interval
    return float(found.low), float(found.high)


def difference(values: np.ndarray) -> str:
    """Return the mean of differences and its interval as text."""
    if not values.any():
        return ""
    low, high = interval(values)
    return f"{values.mean():+.4f} [{low:+.4f}, {high:+.4f}]"


if __name__ == "__main__":
    main()
