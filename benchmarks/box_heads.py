"""How much of an object's position survives in the features a box is read from: ridge regression on frozen features.

    python benchmarks/box_heads.py animals.zip [--views 8] [--image-size 224] [--weights none]

The features are those of MobileNetV2 with ImageNet weights: one average over all positions, averages over the cells of
a grid, or all positions, their channels reduced to 64 principal components. Each is fitted on four folds, on the photos
alone or on augmented views of them, and scored on the fifth; the best mean of three penalties is shown. The mean box of
the training folds is the baseline.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from tfvision.data.augmentation.options import Augmentation
from tfvision.data.batches.pipeline import load_images
from tfvision.data.batches.targets import targets_of
from tfvision.data.batches.views import Item, move, show_view
from tfvision.data.boxes.geometry import box_ious
from tfvision.data.images.imageset import ImageSet
from tfvision.data.images.scan import scan
from tfvision.data.pixels.resize import Resize
from tfvision.data.sources.open import open_images
from tfvision.models.classifier import build_open_backbone
from tfvision.tasks import LOCALIZE

AUGMENTATION = Augmentation(horizontal_flip=True, shift=0.1, zoom=0.2, brightness=0.1, contrast=0.2, saturation=0.2)
PENALTIES = (30.0, 300.0, 3000.0)
COMPONENTS = 64
FOLDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--views", type=int, default=8)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--weights", default="imagenet")
    args = parser.parse_args()
    images = scan(open_images(args.data, boxes=True)).images
    maps, boxes = compute_maps(images, Resize(args.image_size, args.image_size), args.views, args.weights)
    fold = draw_folds(images.labels)
    report("mean box", [box_ious(boxes[0, fold != k].mean(axis=0), boxes[0, fold == k]) for k in range(FOLDS)])
    for name, features in features_of(maps):
        for views in (0, args.views):
            fits = [
                [test_fold(features, boxes, fold, k, views, penalty) for k in range(FOLDS)] for penalty in PENALTIES
            ]
            report(f"{name}, {views or 'no'} views", max(fits, key=lambda found: np.concatenate(found).mean()))


def compute_maps(images: ImageSet, resize: Resize, views: int, weights: str) -> tuple[np.ndarray, np.ndarray]:
    """Return feature maps, float32 (1 + views, n, h, w, channels), and relative boxes, (1 + views, n, 4); first plain."""
    backbone = build_open_backbone("mobilenet_v2", image_size=resize.width, weights=weights)
    model = keras.Model(backbone.pixels, backbone.features)
    plain = load_images(images, np.arange(len(images)), resize)
    targets, size = targets_of(images, LOCALIZE, resize), (resize.height, resize.width)
    maps, boxes = [model.predict(plain, verbose=0)], [targets.boxes]
    for view in range(1, views + 1):
        items = [(Item(index, view), image_id) for index, image_id in enumerate(images.ids)]
        pixels = np.stack(
            [show_view(plain[item.index], item, name, AUGMENTATION, 0, boxed=True) for item, name in items]
        )
        maps.append(model.predict(pixels, verbose=0))
        boxes.append(np.stack([move(targets.boxes[i.index], size, i, name, AUGMENTATION, 0)[0] for i, name in items]))
    return np.stack(maps), np.stack(boxes) / np.tile(targets.size, 2)


def features_of(maps: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Return the name and the features, float32 (1 + views, n, d), of each head."""
    count, number, rows, columns, channels = maps.shape
    some = maps.reshape(-1, channels)[::7]
    components = np.linalg.eigh(np.cov((some - some.mean(axis=0)).T))[1][:, ::-1][:, :COMPONENTS]
    positions = (maps - some.mean(axis=0)) @ components
    grids = [(f"averages over {grid}x{grid} cells", cells(maps, grid)) for grid in (1, 2, 3)]
    return [*grids, (f"all {rows}x{columns} positions", positions.reshape(count, number, -1))]


def cells(maps: np.ndarray, grid: int) -> np.ndarray:
    """Return the averages over the cells of a grid, as adaptive average pooling gives them, (..., grid^2 channels)."""
    rows, columns = (
        [(k * side // grid, -(-(k + 1) * side // grid)) for k in range(grid)] for side in maps.shape[-3:-1]
    )
    means = [maps[..., a:b, c:d, :].mean(axis=(-3, -2)) for a, b in rows for c, d in columns]
    return np.concatenate(means, axis=-1)


def test_fold(
    features: np.ndarray, boxes: np.ndarray, fold: np.ndarray, k: int, views: int, penalty: float
) -> np.ndarray:
    """Fit on all folds but one, and return the IoU of each photo in that one."""
    learned = slice(1, 1 + views) if views else slice(0, 1)
    given = features[learned][:, fold != k].reshape(-1, features.shape[-1]).astype(np.float32)
    wanted = boxes[learned][:, fold != k].reshape(-1, 4)
    mean, scale, middle = given.mean(axis=0), given.std(axis=0).mean(), wanted.mean(axis=0)
    given, tested = (given - mean) / scale, (features[0, fold == k] - mean) / scale
    penalty *= max(views, 1) * features.shape[-1] / 1280
    # The smaller of two equivalent systems.
    residuals = (wanted - middle).astype(np.float32)
    if len(given) <= given.shape[1]:
        kernel = given.T @ np.linalg.solve(given @ given.T + penalty * np.eye(len(given), dtype=np.float32), residuals)
    else:
        square = given.T @ given + penalty * np.eye(given.shape[1], dtype=np.float32)
        kernel = np.linalg.solve(square, given.T @ residuals)
    return box_ious(boxes[0, fold == k], tested @ kernel + middle)


def draw_folds(labels: np.ndarray) -> np.ndarray:
    """Return the fold of each photo, every class spread evenly."""
    generator, fold = np.random.default_rng(0), np.zeros(len(labels), int)
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        fold[members] = np.arange(len(members)) % FOLDS
    return fold


def report(name: str, found: list[np.ndarray]) -> None:
    """Print mean IoU and the share above one half over all folds."""
    ious = np.concatenate(found)
    print(f"{name:<40} {ious.mean():.3f}  {(ious > 0.5).mean():.3f}", flush=True)


if __name__ == "__main__":
    main()
