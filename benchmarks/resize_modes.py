"""Stretch, crop or pad: what becomes of photos of other aspect ratios, by logistic regression on frozen features.

    python benchmarks/resize_modes.py animals.zip [--backbones mobilenet_v2,mobilenet_075] [--image-size 224]

For each backbone the photos are made square in the three ways of `resize.mode`, and features of each are classified in
five folds, repeated with `--seeds` (5) ways to fold; the penalty is chosen inside the training folds. The differences to
stretch are paired: the same photo, the same folds. The interval is a bootstrap over photos.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tfvision.data.batches.pipeline import load_images
from tfvision.data.images.scan import scan
from tfvision.data.pixels.resize import Resize
from tfvision.data.sources.open import open_images
from tfvision.models.classifier import build_open_backbone

MODES = ("stretch", "crop", "pad")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--backbones", default="mobilenet_v2,mobilenet_v2_035,mobilenet_075")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    found = scan(open_images(args.data))
    images, sides = found.images, found.sizes
    ratios = sides.max(axis=1) / sides.min(axis=1)
    print(f"{len(images)} photos, long side / short side: median {np.median(ratios):.2f}, largest {ratios.max():.2f}")
    for name in args.backbones.split(","):
        backbone = build_open_backbone(name, image_size=args.image_size, weights=args.weights)
        features = keras.layers.GlobalAveragePooling2D()(backbone.features)
        model = keras.Model(backbone.pixels, features)
        right = {}
        for mode in MODES:
            pixels = load_images(images, np.arange(len(images)), Resize(args.image_size, args.image_size, mode=mode))
            right[mode] = classify(model.predict(pixels, verbose=0), images.labels, args.seeds)
            gained, long = right[mode] - right["stretch"], ratios > np.median(ratios)
            low, high = interval(gained)
            print(
                f"{name:<20}{mode:<8} accuracy {right[mode].mean():.4f}  against stretch {gained.mean():+.4f} "
                f"[{low:+.4f}, {high:+.4f}], the longer half {gained[long].mean():+.4f}",
                flush=True,
            )


def classify(features: np.ndarray, labels: np.ndarray, seeds: int) -> np.ndarray:
    """Return the share of the repetitions in which each image was classified rightly, float (n,)."""
    model = make_pipeline(
        StandardScaler(), GridSearchCV(LogisticRegression(max_iter=300), {"C": [1e-4, 1e-3, 1e-2]}, cv=3)
    )
    folds = [StratifiedKFold(5, shuffle=True, random_state=seed) for seed in range(seeds)]
    return np.mean([cross_val_predict(model, features, labels, cv=cv) == labels for cv in folds], axis=0)


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a mean."""
    generator = np.random.default_rng(0)
    means = [values[generator.integers(0, len(values), len(values))].mean() for _ in range(2000)]
    return tuple(np.percentile(means, [2.5, 97.5]))


if __name__ == "__main__":
    main()
