"""What improves a box: a linear box on a grid, open from block_14, cross-validated with one change at a time.

    python benchmarks/boxes.py animals.zip [--only "head: pooled" ...] [--folder FOLDER] [--seed 1]
        [--recipe animal_localization_best] [--folds 5]

Every variant predicts each photo by the model that did not see it, on the same folds, so that its difference from the
first line is paired: mean over the photos, with its 95 % interval. With --folder, finished variants are kept.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")

import numpy as np
from scipy.stats import bootstrap

from tfvision.config.nested import merge
from tfvision.config.options import from_dict
from tfvision.config.recipes import find_recipe
from tfvision.config.yaml import load_yaml
from tfvision.crossval.crossval import cross_validate
from tfvision.evaluation.box_predictions import read_box_predictions
from tfvision.runs.names import METRICS, PREDICTIONS
from tfvision.system.terminal import console
from tfvision.training.config import TrainConfig


@dataclass(frozen=True)
class Variant:
    """What is changed.

    Attributes:
        options: Options of the run.
        views: Views of each phase; None for the recipe's.
        unfreeze: What the last phase opens; None leaves that phase out.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    views: str | None = None
    unfreeze: str | None = "block_14,block_15,block_16,Conv_1"


PLAIN = {"horizontal_flip": False, "shift": 0, "zoom": 0, "brightness": 0, "contrast": 0, "saturation": 0}
BASE = "block_14 on"
VARIANTS = {
    BASE: Variant(),
    "head: pooled": Variant({"box": {"head": "pooled"}}),
    "head: spatial": Variant({"box": {"head": "spatial"}}),
    "loss: giou": Variant({"box": {"loss": "giou"}}),
    "loss: smooth_l1+giou": Variant({"box": {"loss": "smooth_l1+giou"}}),
    "unfreezing: none": Variant(unfreeze=None),
    "unfreezing: block_16 on": Variant(unfreeze="block_16,Conv_1"),
    "unfreezing: block_12 on": Variant(unfreeze="block_12,block_13,block_14,block_15,block_16,Conv_1"),
    "resolution: 160 px": Variant({"image_size": 160}),
    "resolution: 320 px": Variant({"image_size": 320}),
    "views: the photo alone": Variant({"augment": PLAIN}, views="exact"),
    "views: 2": Variant(views="2"),
    "views: 24": Variant(views="24"),
    "task: class too": Variant({"task": "localize+classify"}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, metavar="VARIANT", help=", ".join(VARIANTS))
    parser.add_argument("--folder", help="keep the runs there, and go on with what is there")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--recipe", default="animal_localization_best")
    parser.add_argument("--folds", type=int, default=5)
    args = parser.parse_args()
    console.quiet = True
    recipe = load_yaml(find_recipe(args.recipe))
    print(f"{'':<26}mean IoU                   IoU > 0.5  difference from the first      minutes")
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(args.folder or temporary)
        base = None
        for name in [BASE, *(each for each in args.only or VARIANTS if each != BASE)]:
            config = replace(from_dict(TrainConfig, changed(recipe, VARIANTS[name])), data=args.data, seed=args.seed)
            start = time.perf_counter()
            ious, text = measure(config, root / "".join(c if c.isalnum() else "_" for c in name), args.folds)
            minutes = (time.perf_counter() - start) / 60
            base = ious if base is None else base
            print(f"{name:<26}{text}  {difference(ious - base):<30} {minutes:.1f}", flush=True)


def changed(recipe: Mapping[str, Any], change: Variant) -> dict[str, Any]:
    """Return the options of a variant of the recipe with a grid; the recipe itself is `head: spatial`."""
    phases = [{**phase, "views": change.views or phase["views"]} for phase in recipe["phases"]]
    phases = phases[:-1] if change.unfreeze is None else [*phases[:-1], {**phases[-1], "unfreeze": change.unfreeze}]
    return merge(merge(recipe, {"box": {"head": "grid"}}), {**change.options, "phases": phases})


def measure(config: TrainConfig, folder: Path, folds: int) -> tuple[np.ndarray, str]:
    """Return the IoU of each photo, float64 (n,) by the order of ids, and their scores as text."""
    if not (folder / METRICS).is_file():
        cross_validate(
            replace(config, output=str(folder)), backbones=[config.backbone], folds=folds, resume=folder.is_dir()
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
    """Return the mean difference and its interval as text."""
    if not values.any():
        return ""
    low, high = interval(values)
    return f"{values.mean():+.4f} [{low:+.4f}, {high:+.4f}]"


if __name__ == "__main__":
    main()
