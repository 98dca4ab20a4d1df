"""Every benchmark runs on tiny data, as a process of its own, and prints its table: no figure, only that it still works."""

import os
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted(path.name for path in (ROOT / "benchmarks").glob("*.py") if "__main__" in path.read_text())

# Script: its options, where {data} is the folder of tiny data, and what its output must hold.
SPEEDUP = r"ours +other +ratio\n.* \d+\.\d\dx"
ROWS = {
    "attacks.py": ("--images 8 --rounds 1 --steps 2 --backbone small_cnn --side 32", SPEEDUP),
    "audit.py": (
        "--seeds 1 --clean colours.zip --weights none",
        r"(?s)mean .* / .*colours\.zip: 24 images, \d+ left out .*colours\.zip, screenshot: 24 images, \d+ left out",
    ),
    "audited.py": ("--seeds 1 --recipe {data}/small.yaml --weights none", r"accuracy: [+-]\d\.\d{4} over 1 seeds"),
    "box_heads.py": ("{data}/boxes.zip --views 1 --image-size 32 --weights none", r"1x1 positions, 1 views +0\.\d{3}"),
    "boxes.py": (
        "{data}/boxes.zip --recipe {data}/boxes.yaml --folds 2 --only 'block_14 on'",
        r"block_14 on +0\.\d{4} \[0\.\d{4}, 0\.\d{4}\]",
    ),
    "convnext.py": ("--rounds 1 --batch 1 --steps predict", SPEEDUP),
    "crossval.py": ("--images 24 --epochs 1 --folds 2 --backbone vgg16", SPEEDUP),
    "duplicates.py": ("--counts 200 400", r"400 .* 4 of +4 +search -?\d"),
    "explanations.py": (
        "{data}/colours.zip --output {data}/planted --networks small_cnn --images 8 --methods fused_layercam",
        r"small_cnn +\d\.\d{3} +fused_layercam +\d\.\d\d +-?\d\.\d\d +-?\d\.\d{3} +-?\d\.\d{3}",
    ),
    "features.py": ("--images 50 --rounds 1 --epochs 2 --backbone mobilenet_v2", SPEEDUP),
    "feeding.py": ("{data}/colours.zip --rounds 1", r"threads, 1 at once .* x .* cores busy"),
    "folder.py": ("--images 90 --rounds 1", SPEEDUP),
    "hdf5.py": ("--images 128 --rounds 1", r"difference +-?\d+ MB"),
    "learning_curve.py": (
        "{data}/colours.zip --seeds 1 --weights none --image-size 32 --backbone small_cnn",
        r"colours: \d of 1 hold, mean width \d\.\d{4} \(noise alone \d\.\d{4}\), off by \d\.\d{4}",
    ),
    "learning_rates.py": (
        "{data} --output {data}/rates.csv --sets animals --kinds head --seeds 1 --rates 1e-3 --weights none",
        r"head +grid 0\.001 +accuracy \d\.\d{4}  loss \d+\.\d{4}  \(1 trainings\)",
    ),
    "one_cycle.py": (
        "{data}/colours.zip --image-size 32 --epochs 1 --weights none --backbone mobilenet_v2_035",
        r"validation \d\.\d{4} test \d\.\d{4} n \d",
    ),
    "presets.py": (
        "{data} --output {data}/presets.csv --sets animals --settings fast --seeds 1 "
        "--also '--image-size 32 --weights none --backbone mobilenet_v2_035'",
        r"animals +fast +1 +\d\.\d{4} +\d\.\d{4} ",
    ),
    "randaugment.py": ("--rounds 1 --sizes 32", r"keras_cv, 32 px +\d.* x\nkeras, 32 px +\d.* x"),
    "resize_modes.py": (
        "{data}/colours.zip --backbones mobilenet_v2_035 --image-size 32 --weights none --seeds 1",
        r"crop +accuracy \d\.\d{4} +against stretch [+-]\d\.\d{4} \[",
    ),
    "search.py": (
        "--images 80 --trials 2 --epochs 1 --backbone vgg16",
        r"2 trials of 1 epochs took \d+\.\d\d of the time",
    ),
    "startup.py": ("--rounds 1", SPEEDUP),
    "training.py": ("--images 90 --rounds 1 --backbone small_cnn", SPEEDUP),
}


def test_every_benchmark_has_a_row() -> None:
    assert SCRIPTS and sorted(ROWS) == SCRIPTS


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_benchmark_prints_its_table(script: str, tiny_data: Path) -> None:
    options, expected = ROWS[script]
    words = [word.replace("{data}", str(tiny_data)) for word in shlex.split(options)]
    command = [sys.executable, str(ROOT / "benchmarks" / script), *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TFVISION_DATA": str(tiny_data), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(expected, done.stdout), done.stdout


@pytest.fixture(scope="module")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the benchmarks read: zips of images, two recipes, and a generator of contaminated images."""
    folder = tmp_path_factory.mktemp("benchmarks")
    for name in ("animals", "colours", "blood_cells", "photos"):
        write_zip(folder / f"{name}.zip", boxes=False)
    write_zip(folder / "boxes.zip", boxes=True)
    (folder / "small.yaml").write_text(SMALL)
    (folder / "boxes.yaml").write_text(BOXES)
    (folder / "make_blood_npz.py").write_text(GENERATOR)
    return folder


def write_zip(path: Path, *, boxes: bool, count: int = 24) -> None:
    """Write 40 px PNG of a bright rectangle in noise, a folder a class or, with boxes, listed in a CSV."""
    generator = np.random.default_rng(0)
    lines = ["file,label,xmin,ymin,xmax,ymax"]
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(count):
            label = ("bright", "dark")[number % 2]
            x, y = generator.integers(2, 16, 2)
            pixels = generator.integers(0, 100, (40, 40, 3), np.uint8)
            pixels[y : y + 20, x : x + 20] += np.uint8(150 - 90 * (number % 2))
            archive.writestr(name := f"{label}/{number:02}.png", cv2.imencode(".png", pixels)[1].tobytes())
            lines.append(f"{name},{label},{x},{y},{x + 20},{y + 20}")
        if boxes:
            archive.writestr("boxes.csv", "\n".join(lines))


SMALL = """\
backbone: small_cnn
weights: none
image_size: 32
phases: [{epochs: 1, learning_rate: 1e-3}]
"""

# The benchmark opens blocks of MobileNetV2 by name, so it must be one.
BOXES = """\
task: localize
backbone: mobilenet_v2_035
weights: none
image_size: 64
batch_size: 8
split: {validation: 0.3, test: 0.2}
box: {head: spatial, grid: 2}
phases: [{epochs: 2, learning_rate: 1e-2, views: "1"}]
"""

# Stands for the generator that lies beside the real data: same arguments, same files.
GENERATOR = """\
import csv, sys
import numpy as np

images_path, truth_path, seed = sys.argv[3:]
generator = np.random.default_rng(int(seed))
pixels = generator.integers(0, 256, (48, 40, 40, 3), np.uint8) // 4
labels = np.arange(48) % 2
pixels[labels == 1] += 150
pixels[44:] = pixels[:4]
np.savez(images_path, images=pixels, labels=np.array(["bright", "dark"])[1 - labels])
rows = [{"kind": "clean", "of": ""} for _ in range(44)] + [{"kind": "copy", "of": i} for i in range(4)]
rows[10]["kind"], rows[11]["kind"] = "flipped", "blended"
with open(truth_path, "w", newline="") as file:
    writer = csv.DictWriter(file, ["kind", "of"])
    writer.writeheader()
    writer.writerows(rows)
"""
