"""Does the forecast of `tfvision learning-curve` hold? From 10, 20 and 40 % of the training images for all of them.

python benchmarks/learning_curve.py eurosat.zip blood_cells.zip [--seeds 11-15] [--limit 6000] [--output curves]
    [--backbone mobilenet_v2] [--weights imagenet] [--image-size N]

For each set and seed: the curve is measured at these shares and at 100 %; the law is fitted to the three small shares alone
and forecasts the score of a training on all images, with its 95 % interval. It holds where that interval has the score that
was then measured, a fresh training on the same test images. A forecast could hold by being wide, so widths are printed, too,
beside the width that the noise of the fresh training alone makes. With --output it goes on where it was interrupted.
"""

import argparse
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")

import numpy as np

from tfvision.learning_curve.curve import LearningCurve, curve_of
from tfvision.learning_curve.learning_curve import learning_curve
from tfvision.seeds.given import read_seeds
from tfvision.system.terminal import console, quiet

KNOWN, ASKED = (0.1, 0.2, 0.4), 1.0


class Held(NamedTuple):
    """A forecast beside what was measured.

    Attributes:
        last: The score at the largest share that the forecast knew.
        score: The forecast.
        low: Lower end of its 95 % interval.
        high: Its upper end.
        measured: The score of the training on all images.
        noise: Width of the 95 % interval that the noise of one training makes around a curve that is known.
    """

    last: float
    score: float
    low: float
    high: float
    measured: float
    noise: float

    @property
    def holds(self) -> bool:
        """Whether the interval has the measured score."""
        return self.low <= self.measured <= self.high


def judge(curve: LearningCurve) -> Held:
    """Forecast the last point of a curve from the others."""
    known = curve_of(curve, KNOWN, multiple=ASKED)
    asked = known.further
    return Held(known.now.score, asked.score, asked.low, asked.high, curve.now.score, 2 * 1.96 * known.single_deviation)


def summary(name: str, found: list[Held]) -> str:
    """Return a line: how many forecasts hold, and how wide and how far off they are."""
    width, noise, off, stays = (
        float(np.mean(values))
        for values in (
            [one.high - one.low for one in found],
            [one.noise for one in found],
            [abs(one.score - one.measured) for one in found],
            [abs(one.last - one.measured) for one in found],
        )
    )
    return (
        f"{name}: {sum(one.holds for one in found)} of {len(found)} hold, mean width {width:.4f} (noise alone {noise:.4f}), "
        f"off by {off:.4f} on average (the score at 40 %: {stays:.4f})"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "data", nargs="+", help="sets of labelled images, by their names in TFVISION_DATA or their paths"
    )
    parser.add_argument("--seeds", default="11-15")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--image-size", type=int)
    given = parser.parse_args()
    options = {"backbone": given.backbone, "weights": given.weights, "image_size": given.image_size}
    console.quiet = True
    with tempfile.TemporaryDirectory() as name:
        output = given.output or Path(name)
        for data in given.data:
            path = Path(data) if Path(data).exists() else Path(os.environ.get("TFVISION_DATA", "")) / data
            found = []
            for seed in read_seeds(given.seeds, 0) if not given.seeds.isdecimal() else (int(given.seeds),):
                folder = output / f"{path.stem}-{given.limit or 'all'}-{seed}"
                with quiet():
                    curve = learning_curve(
                        path, shares=(*KNOWN, ASKED), output=folder, resume=folder.exists(), seed=seed, limit=given.limit,
                        **options,
                    )  # fmt: skip
                found.append(judge(curve))
                one = found[-1]
                print(
                    f"{path.stem} seed {seed}: at 40 % {one.last:.4f}, forecast {one.score:.4f} [{one.low:.4f}, "
                    f"{one.high:.4f}], measured {one.measured:.4f}, {'holds' if one.holds else 'MISSED'}",
                    flush=True,
                )
            print(summary(path.stem, found), flush=True)


if __name__ == "__main__":
    main()
