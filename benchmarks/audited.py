"""Training on what an audit keeps against training on everything, scored on the same clean images.

TFVISION_DATA=... python benchmarks/audited.py [--seeds 1 2 3 4 5] [--recipe blood_cells] [--epochs 30] [--weights none]
    [--folder FOLDER]

The test is a quarter of the images that the generator (`make_blood_npz.py`) left alone, drawn evenly over the classes
and without those that were copied; the rest, contamination included, is the data. One run trains on all of it, one on
the `clean.csv` of its audit; both choose their best epoch on a validation part of their own data, as a user would.
"""

import argparse
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")

import numpy as np
from audit import contaminated

from tfvision.audit.audit import CLEAN, audit_from_config
from tfvision.audit.options import AuditConfig
from tfvision.config.options import from_dict
from tfvision.config.recipes import find_recipe
from tfvision.config.yaml import load_yaml
from tfvision.data.sources.open import open_images
from tfvision.evaluation.paired import paired_differences
from tfvision.evaluation.predictions import Predictions
from tfvision.experiment.train import train_from_config
from tfvision.prediction.answers import predict_labelled
from tfvision.prediction.stored import load_predictor
from tfvision.system.terminal import console
from tfvision.training.config import TrainConfig

TEST_SHARE = 0.25


def divide(images: Path, truth: list[dict[str, str]], folder: Path, seed: int) -> tuple[Path, Path]:
    """Write the clean test and the contaminated rest as two `.npz` files."""
    given = np.load(images)
    copied = {int(row["of"]) for row in truth if row["of"]}
    usable = np.array([row["kind"] == "clean" and i not in copied for i, row in enumerate(truth)])
    generator, test = np.random.default_rng(seed), np.zeros(len(truth), bool)
    for name in np.unique(given["labels"]):
        members = generator.permutation(np.flatnonzero(usable & (given["labels"] == name)))
        test[members[: round(TEST_SHARE * len(members))]] = True
    paths = folder / f"test{seed}.npz", folder / f"rest{seed}.npz"
    for path, mask in zip(paths, (test, ~test), strict=True):
        np.savez(path, images=given["images"][mask], labels=given["labels"][mask])
    return paths


def train_and_predict(config: TrainConfig, data: Path, test: Path, output: Path) -> Predictions:
    """Train on a data set and predict the test images."""
    if not (output / "report.html").is_file():
        train_from_config(replace(config, data=str(data), output=str(output)))
    return predict_labelled(load_predictor(output), open_images(str(test)))[0]


def main() -> None:
    """Print, for each seed, both scores and the difference with its interval; then the mean over the seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--recipe", default="blood_cells")
    parser.add_argument("--epochs", type=int, help="of its last phase, instead of the recipe's")
    parser.add_argument("--weights", default="imagenet", help="of the backbone that the audit looks with")
    parser.add_argument("--folder", help="keep data and runs there, and go on with what is there")
    args = parser.parse_args()
    data = Path(os.environ["TFVISION_DATA"])
    os.environ.setdefault("TFVISION_WEIGHTS", str(data / "weights"))
    console.quiet = True
    config = from_dict(TrainConfig, load_yaml(find_recipe(args.recipe)))
    if args.epochs:
        config.phases[-1].epochs = args.epochs
    differences: dict[str, list[float]] = {"accuracy": [], "f1_macro": []}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(args.folder or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for seed in args.seeds:
            test, rest = divide(*contaminated(data, folder, seed), folder, seed)
            audit = folder / f"audit{seed}"
            if not (audit / CLEAN).is_file():
                audit_from_config(
                    AuditConfig(data=str(rest), output=str(audit), weights=args.weights, remove=["likely"])
                )
            one = replace(config, seed=seed)
            raw = train_and_predict(one, rest, test, folder / f"raw{seed}")
            audited = train_and_predict(one, audit / CLEAN, test, folder / f"audited{seed}")
            kept, given = (len(open_images(str(path))) for path in (audit / CLEAN, rest))
            found = paired_differences(raw, audited)
            shown = "  ".join(f"{score} {found[score]}" for score in differences)
            print(f"seed {seed}: {kept:,} of {given:,} kept, test {len(raw):,}: {shown}", flush=True)
            for score, values in differences.items():
                values.append(found[score].value)
    for score, values in differences.items():
        spread = f" ± {stdev(values):.4f}" if len(values) > 1 else ""
        print(f"{score}: {mean(values):+.4f}{spread} over {len(values)} seeds")


if __name__ == "__main__":
    main()
