"""Three tests that an explanation can fail, for each backbone: fine-tuned first, so that its truth is known.

    python benchmarks/explanations.py ../shared/data/animals.zip --output explanations
    python benchmarks/explanations.py ../shared/data/animals.zip --output explanations --networks localizer --methods layercam

A red square, a sixteenth of the area, is planted at chance in every second photo; the photos are gray, so that nothing else
is red. All layers are trained to say whether there is a square (the localizer, whose photos all have one: where). Of `--images`
test photos with a square are reported:

- `points`: the share of maps whose highest place lies in the square (Zhang et al., "Top-down Neural Attention", 2016);
- `random`: the correlation of maps with those of the same network with random weights, 0 if the map follows the
  weights (Adebayo et al., "Sanity Checks for Saliency Maps", 2018);
- `deletion` and `insertion`: the area under the probability of the class while the highest places are hidden first, or
  shown first, less that for random maps of 7 x 7 places (Petsiuk et al., "RISE", 2018): below 0 and above 0 are right.
  Of a box the intersection over union with the box of the whole photo takes the probability's place.
"""

import argparse
import csv
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import keras
import numpy as np

import tfvision
from tfvision.data.boxes.geometry import box_ious
from tfvision.explain.graph import ExplainedModel, split_for_explaining
from tfvision.explain.methods import EXPLAIN_METHODS, explain_pixels
from tfvision.explain.overlays import spread
from tfvision.prediction.stored import find_model
from tfvision.system.terminal import console

RED = (30, 30, 220)  # as OpenCV orders it
SHARES = np.linspace(0, 1, 11)
PLAIN: dict[str, Any] = {"augment": {"horizontal_flip": False}}
MOBILE = {"phases": [{"epochs": 4, "learning_rate": 3e-4, "schedule": "cosine", "unfreeze": "all"}]}
FRESH = {"phases": [{"epochs": 8, "learning_rate": 1e-3, "schedule": "cosine", "unfreeze": "all"}]}
NETWORKS: dict[str, dict[str, Any]] = {
    "mobilenet_v2": {"backbone": "mobilenet_v2", "image_size": 96, **MOBILE},
    "mobilenet_v2_035": {"backbone": "mobilenet_v2_035", "image_size": 96, **MOBILE},
    "efficientnet_lite0": {"backbone": "hub/{weights}/efficientnet_lite0_preset", "image_size": 96, **MOBILE},
    "convnext_tiny": {
        "backbone": "convnext_tiny",
        "weights": "none",
        "image_size": 64,
        "phases": [{"epochs": 8, "learning_rate": 3e-4, "schedule": "cosine", "unfreeze": "all"}],
    },
    "vit": {"backbone": "hub/{vit}", "weights": "none", "image_size": 64, **FRESH},
    "small_cnn": {"backbone": "small_cnn", "weights": "none", "image_size": 64, **FRESH},
    "localizer": {"task": "localize", "backbone": "mobilenet_v2_035", "image_size": 96, **FRESH},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="a .zip of photos")
    parser.add_argument("--output", type=Path, required=True, help="a folder for the planted photos and the runs")
    parser.add_argument("--weights", type=Path, help="the folder of weights; beside the photos if left out")
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--methods", default=",".join(EXPLAIN_METHODS))
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    weights = args.weights or args.photos.resolve().parent / "weights"
    os.environ.setdefault("TFVISION_WEIGHTS", str(weights))
    console.quiet = True
    print(f"{'network':20} {'test':>6}  {'method':22} points  random  deletion  insertion", flush=True)
    for name in args.networks.split(","):
        _measure(name, args, weights)


def _measure(name: str, args: argparse.Namespace, weights: Path) -> None:
    """Train a network unless that is done, and print a row for each method."""
    options = dict(NETWORKS[name])
    size = options["image_size"]
    where = options.get("task") == "localize"
    folder = args.output / f"planted_{size}{'_boxes' if where else ''}"
    if not folder.exists():
        plant(args.photos, folder, size, args.seed, every=where)
    options["backbone"] = options["backbone"].format(weights=weights, vit=args.output / "vit_preset")
    if name == "vit" and not (args.output / "vit_preset").exists():
        save_vit(args.output / "vit_preset", size)
    run = args.output / name
    if not run.exists():
        tfvision.train(data=str(folder), seed=args.seed, batch_size=32, output=str(run), **PLAIN, **options)
    opened = tfvision.open_run(run)
    truth = json.loads(folder.with_suffix(".json").read_text())
    chosen = [row["id"] for row in opened.splits if row["part"] == "test" and row["id"] in truth][: args.images]
    pixels = np.stack([cv2.imread(str(folder / file))[..., ::-1] for file in chosen]).astype(np.float32)
    corners = np.array([truth[file] for file in chosen])
    model = find_model(run).load().model
    explained = split_for_explaining(model)
    if explained.is_box:
        targets, ask = np.zeros(len(chosen), np.int64), _overlap_with(explained.scores(pixels)[:, :4], explained)
        test = opened.metrics["test"]["mean_iou"]
    else:
        targets = np.full(len(chosen), opened.facts.class_names.index("square"))
        ask, test = _probability_of(targets, explained), opened.metrics["test"]["accuracy"]
    random = keras.models.clone_model(model)  # with weights drawn anew
    other = split_for_explaining(random)
    heats = {method: _maps(explained, method, pixels, targets) for method in args.methods.split(",")}
    noise = np.random.default_rng(args.seed).random((len(pixels), 7, 7)).astype(np.float32)
    chance = _curves(np.stack([spread(one, size, size) for one in noise]), pixels, ask)
    for method, maps in heats.items():
        drawn = _maps(other, method, pixels, targets)
        curves = _curves(maps, pixels, ask)
        print(
            f"{name:20} {test:6.3f}  {method:22} "
            f"{_points(maps, corners):6.2f} {_likeness(maps, drawn):7.2f} "
            f"{curves[0] - chance[0]:9.3f} {curves[1] - chance[1]:10.3f}",
            flush=True,
        )


def plant(photos: Path, folder: Path, side: int, seed: int, *, every: bool) -> None:
    """Write gray photos of `side` x `side` pixels, every one or every second with a red square, and where they are.

    The labels are class folders, or `boxes.csv` where each photo has its square; `FOLDER.json` holds the corners.
    """
    generator, square, truth = np.random.default_rng(seed), side // 4, {}
    with zipfile.ZipFile(photos) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith((".jpg", ".png")))
        for number, name in enumerate(names * 2):
            planted = every or number < len(names)
            file = f"{'square' if planted else 'none'}/{number:04}.png"
            photo = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_COLOR)
            gray = cv2.cvtColor(cv2.resize(photo, (side, side), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
            photo = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
            if planted:
                left, top = (int(place) for place in generator.integers(0, side - square + 1, 2))
                photo[top : top + square, left : left + square] = RED
                truth[file] = (left, top, left + square, top + square)
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / file), photo)
    if every:
        with (folder / "boxes.csv").open("w", newline="") as table:
            writer = csv.writer(table, lineterminator="\n")
            writer.writerow(["file", "label", "xmin", "ymin", "xmax", "ymax"])
            writer.writerows([file, "square", *corners] for file, corners in truth.items())
    folder.with_suffix(".json").write_text(json.dumps(truth))


def save_vit(folder: Path, side: int) -> None:
    """Write a small vision transformer with random weights as a KerasHub preset."""
    import keras_hub

    keras.utils.set_random_seed(0)
    vit = keras_hub.models.ViTBackbone(
        image_shape=(side, side, 3),
        patch_size=8,
        num_layers=4,
        num_heads=4,
        hidden_dim=96,
        mlp_dim=192,
        dropout_rate=0.0,
    )
    vit.save_to_preset(str(folder))
    converter = keras_hub.layers.ImageConverter(image_size=(side, side), scale=1 / 127.5, offset=-1.0)
    converter.save_to_preset(str(folder))


def _maps(model: ExplainedModel, method: str, pixels: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return maps of the size of the images, a few images at a time."""
    found = [
        spread(heat, *pixels.shape[1:3])
        for start in range(0, len(pixels), 8)
        for heat in explain_pixels(model, method, pixels[start : start + 8], targets[start : start + 8])
    ]
    return np.stack(found)


def _points(maps: np.ndarray, corners: np.ndarray) -> float:
    hits = 0
    for heat, (left, top, right, bottom) in zip(maps, corners, strict=True):
        y, x = np.unravel_index(heat.argmax(), heat.shape)
        hits += left <= x < right and top <= y < bottom
    return hits / len(maps)


def _likeness(maps: np.ndarray, others: np.ndarray) -> float:
    """Return the mean correlation of pairs of maps; one that is flat is like no other."""
    pairs = zip(maps, others, strict=True)
    return float(np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] if np.ptp(a) * np.ptp(b) else 0.0 for a, b in pairs]))


def _curves(maps: np.ndarray, pixels: np.ndarray, ask: Callable[[np.ndarray], np.ndarray]) -> tuple[float, float]:
    """Return the areas under the deletion and the insertion curve; what is hidden takes the image's mean colour."""
    ranks = maps.reshape(len(maps), -1).argsort(axis=1).argsort(axis=1).reshape(maps.shape) / maps[0].size
    base = np.broadcast_to(pixels.mean(axis=(1, 2), keepdims=True), pixels.shape)
    hidden = [np.where((ranks >= 1 - share)[..., None], base, pixels) for share in SHARES]
    shown = [np.where((ranks >= 1 - share)[..., None], pixels, base) for share in SHARES]
    return float(np.mean([ask(one) for one in hidden])), float(np.mean([ask(one) for one in shown]))


def _probability_of(targets: np.ndarray, model: ExplainedModel) -> Callable[[np.ndarray], np.ndarray]:
    def ask(pixels: np.ndarray) -> np.ndarray:
        scores = model.scores(pixels)
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        return (shares / shares.sum(axis=1, keepdims=True))[np.arange(len(targets)), targets]

    return ask


def _overlap_with(boxes: np.ndarray, model: ExplainedModel) -> Callable[[np.ndarray], np.ndarray]:
    def ask(pixels: np.ndarray) -> np.ndarray:
        return box_ious(model.scores(pixels)[:, :4], boxes)

    return ask


if __name__ == "__main__":
    main()
