"""Rules that read a learning rate from a sweep, by the validation scores of trainings at their rates and over a grid.

    python benchmarks/learning_rates.py ../shared/data --kinds head,tail --seeds 1,2 --output rates.csv
    python benchmarks/learning_rates.py ../shared/data --sets animals --kinds all --rates 3e-5,1e-4,3e-4,1e-3

A row is a training: 6 epochs with a cosine, of a new head with 128 hidden units on the frozen backbone (`head`), of the
last 30 % of the layers (`tail`) or of all layers (`all`) after the logistic regression. Every training of a setting begins
from the same weights and sees the same batches; the model is traced once, and the rate is set before each step.
Rules: `ours` is that of `lr-find`; `steepest` is where the smoothed loss falls fastest; `valley` is fastai's, two thirds
into the longest descent (its default; Howard and Gugger, "fastai", 2020); `tenth` of the rate with the smallest loss;
`rise / 3`, a third of the rate from which on the loss rises; `default` is what a training without a rate takes.
"""

import argparse
import csv
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from tfvision.config.options import from_dict
from tfvision.experiment.resolving import phases_of, resolve_options
from tfvision.experiment.train import prepare_experiment
from tfvision.system.terminal import console
from tfvision.training.config import TrainConfig
from tfvision.training.options import Phase, RateRangeOptions
from tfvision.training.rate_curves import smooth

SETS: dict[str, dict[str, Any]] = {
    "animals": {"data": "animals.zip"},
    "blood": {"data": "blood_cells.zip"},
    "eurosat": {"data": "eurosat.zip", "limit": 3000},
}
KINDS: dict[str, dict[str, Any]] = {
    "head": {
        "head": {"units": [128], "dropout": 0.2},
        "phases": [{"epochs": 6, "schedule": "cosine", "unfreeze": "none"}],
    },
    "tail": {"unfreeze": "30%"},
    "all": {},
}
COLUMNS = ("kind", "data", "seed", "optimizer", "rule", "rate", "accuracy", "loss")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=os.path.abspath, help="the folder of the data sets and of weights/")
    parser.add_argument("--output", type=Path, default=Path("learning_rates.csv"))
    parser.add_argument("--kinds", default="head,tail")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--seeds", default="1,2")
    parser.add_argument("--rates", default="1e-4,3e-4,1e-3,3e-3,1e-2,3e-2")
    parser.add_argument("--backbone", default="mobilenet_v2_035")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--optimizer", default="adam")
    args = parser.parse_args()
    os.environ.setdefault("TFVISION_WEIGHTS", f"{args.data}/weights")
    console.quiet = True
    for seed in args.seeds.split(","):
        for kind in args.kinds.split(","):
            for name in args.sets.split(","):
                where = {"kind": kind, "data": name, "seed": seed, "optimizer": args.optimizer}
                _measure(args, where, KINDS[kind] | SETS[name])
    _summarize(args.output)


def _measure(args: argparse.Namespace, where: dict[str, str], options: dict[str, Any]) -> None:
    """Train at the rates of a grid and of each rule, and add the rows to the output."""
    options = options | {"data": f"{args.data}/{options['data']}", "seed": int(where["seed"])}
    options |= {"backbone": args.backbone, "weights": args.weights, "image_size": 96, "optimizer": args.optimizer}
    options["split"] = {"validation": 0.3, "test": 0.1}
    experiment = prepare_experiment(resolve_options(from_dict(TrainConfig, options)))
    suggested, train = _prepare(experiment)
    scores: dict[str, dict[str, str]] = {}
    for rule, rate in [*suggested.items(), *(("grid", float(rate)) for rate in args.rates.split(","))]:
        rounded = f"{rate:.2g}"
        scores[rounded] = scores.get(rounded) or train(float(rounded))
        row = where | {"rule": rule, "rate": rounded} | scores[rounded]
        print(*(f"{row[column]}" for column in COLUMNS), flush=True)
        with open(args.output, "a", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            if not file.tell():
                writer.writeheader()
            writer.writerow(row)


def _prepare(experiment: Any) -> tuple[dict[str, float], Callable[[float], dict[str, str]]]:
    """Return what each rule suggests for the last phase, and a function that trains it at a rate."""
    import keras

    from tfvision.experiment.rates import fallback_rate, sweep
    from tfvision.models.freezing import open_layers
    from tfvision.training.checkpoints import restore
    from tfvision.training.fit import compiled_phase, fit_phases
    from tfvision.training.history import History
    from tfvision.training.settings import TrainingSettings
    from tfvision.training.training import Training

    config, model = experiment.config, experiment.model
    *before, phase = phases_of(config)
    (curve,) = sweep(experiment, [len(before)], RateRangeOptions())
    suggested = suggest_all(curve, fallback_rate(config))
    settings = TrainingSettings.from_config(config, experiment.facts.resize)
    parts = experiment.parts
    training = Training(model, parts["train"], parts["validation"], settings, History(config.monitor))
    if before:
        fit_phases(training, before)
    open_layers(model, phase.unfreeze)
    begun = [np.array(keras.ops.convert_to_numpy(variable)) for variable in model.variables]
    constant = replace(phase, schedule="constant", warmup=0.0, learning_rate=1e-3)
    fitted, feed, _ = compiled_phase(training, constant, began=0, epochs=range(phase.epochs))
    optimizer = [np.array(keras.ops.convert_to_numpy(variable)) for variable in fitted.optimizer.variables]
    steps = feed.batches.steps_per_epoch

    def train(rate: float) -> dict[str, str]:
        restore(model.variables, begun)
        restore(fitted.optimizer.variables, optimizer)
        found = fitted.fit(
            feed.batches.dataset,
            epochs=phase.epochs,
            steps_per_epoch=steps,
            validation_data=feed.validation,
            callbacks=[_cosine(rate, phase, steps)],
            shuffle=False,
            verbose=0,
        ).history
        best = int(np.argmin(np.nan_to_num(found["val_loss"], nan=np.inf)))
        return {"accuracy": f"{found['val_accuracy'][best]:.4f}", "loss": f"{found['val_loss'][best]:.4f}"}

    return suggested, train


def _cosine(rate: float, phase: Phase, steps: int) -> Any:
    import keras

    warmup, total = round(phase.warmup * steps), phase.epochs * steps

    class Cosine(keras.callbacks.Callback):
        done = 0

        def on_train_batch_begin(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
            falling = 0.5 * (1 + math.cos(math.pi * (self.done - warmup) / max(1, total - warmup)))
            self.model.optimizer.learning_rate = rate * (self.done / warmup if self.done < warmup else falling)
            self.done += 1

    return Cosine()


def suggest_all(curve: Any, fallback: float) -> dict[str, float]:
    """Return the rate of each rule by its name."""
    rates, smoothed = curve.rates, curve.smoothed
    lowest = int(smoothed.argmin())
    edge = rise(rates, curve.losses)
    return {
        "ours": curve.suggestion or fallback,
        "default": fallback,
        "rise / 3": edge / 3,
        "tenth": float(rates[lowest] / 10),
        "steepest": float(rates[np.gradient(smoothed)[: lowest + 1].argmin()]),
        "valley": valley(rates, smoothed),
    }


def rise(rates: np.ndarray, losses: np.ndarray) -> float:
    """Return the rate from which on the smoothed loss stays above where it began, by four standard deviations of its noise."""
    beginning, noise = losses[:10].mean(), losses[:10].std(ddof=1) * np.sqrt(0.2)
    low = np.flatnonzero(smooth(losses) <= beginning + 4 * noise)
    return float(rates[min(low[-1] + 1, len(rates) - 1)])


def valley(rates: Sequence[float], losses: Sequence[float]) -> float:
    """Return the rate at the middle of the last but one sixth of the longest descent, as fastai's `valley` does."""
    longest, start, end = [1] * len(losses), 0, 0
    for i in range(1, len(losses)):
        for j in range(i):
            if losses[i] < losses[j] and longest[i] < longest[j] + 1:
                longest[i] = longest[j] + 1
            if longest[end] < longest[i]:
                end = i
                start = end - longest[end]
    third = (end - start) / 3
    return float(rates[start + int(third) + int(third / 2)])


def _summarize(path: Path) -> None:
    """Print for each kind and rule the mean accuracy and loss, beside the best of the grid."""
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    for kind in dict.fromkeys(row["kind"] for row in rows):
        for rule in dict.fromkeys(row["rule"] if row["rule"] != "grid" else f"grid {row['rate']}" for row in rows):
            chosen = [
                row for row in rows
                if row["kind"] == kind and rule in (row["rule"], f"grid {row['rate']}" if row["rule"] == "grid" else "")
            ]  # fmt: skip
            if chosen:
                accuracy, loss = (mean(float(row[column]) for row in chosen) for column in ("accuracy", "loss"))
                print(f"{kind:<5} {rule:<12} accuracy {accuracy:.4f}  loss {loss:.4f}  ({len(chosen)} trainings)")


if __name__ == "__main__":
    main()
