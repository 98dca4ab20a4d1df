"""Does the SavedModel say what model.keras says? Asked in a fresh process, on real images at their own sizes."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfvision.data.imageset import ImageSet
from tfvision.errors import RunError

LARGEST_DIFFERENCE = 1e-5  # of any probability, decoded images in
# Share of images that may differ by more where probabilities jump: a feature that lies within a rounding error of a
# threshold of a tree falls to either side.
STEPPED = 0.02
LEAST_AGREEMENT = 0.995  # of predicted classes, encoded images in (another JPEG decoder, no EXIF)


@dataclass(frozen=True)
class Agreement:
    """How far a SavedModel is from the model it was made of.

    Attributes:
        images: Number of images compared.
        difference: Largest difference of any probability through `serving_default`, leaving out the images that jump.
        bytes_agreement: Share of images with the same class through `serve_bytes`; None without JPEG or PNG.
    """

    images: int
    difference: float
    bytes_agreement: float | None


def check_saved_model(saved_model: Path, images: ImageSet, expected: np.ndarray, *, stepped: bool = False) -> Agreement:
    """Compare a SavedModel, loaded in a fresh process without Keras or tfvision's models, with known probabilities.

    Args:
        saved_model: Its folder.
        images: Real images at their original sizes.
        expected: float (n, classes), what model.keras says of them.
        stepped: Whether its probabilities jump, see `is_stepped`: then `STEPPED` of the images may differ by more.

    Raises:
        RunError: They differ by more than `LARGEST_DIFFERENCE`, classes agree in fewer than `LEAST_AGREEMENT`, the
            SavedModel does not load, or the images cannot be written for the fresh process.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        _write(images, Path(folder))
        answers = _ask(saved_model, Path(folder), len(images))
    found = np.array(answers["probabilities"])
    of_images = np.sort(np.abs(found - expected).max(axis=1))
    jumping = int(STEPPED * len(of_images)) if stepped and np.isfinite(found).all() else 0
    difference = float(of_images[-1 - jumping])
    classes = expected.argmax(axis=1)
    by_bytes = [(k, answer) for k, answer in enumerate(answers["from_bytes"]) if answer is not None]
    agreement = float(np.mean([answer == classes[k] for k, answer in by_bytes])) if by_bytes else None
    if not difference <= LARGEST_DIFFERENCE:
        raise RunError(
            f"the SavedModel differs from model.keras by {difference:.2e}, more than {LARGEST_DIFFERENCE:.0e}; it was not kept"
        )
    if agreement is not None and agreement < LEAST_AGREEMENT:
        raise RunError(
            f"serve_bytes gives the same class for {agreement:.1%} of images, less than {LEAST_AGREEMENT:.1%}; it was not kept"
        )
    return Agreement(len(images), difference, agreement)


def _write(images: ImageSet, folder: Path) -> None:
    """Write images decoded and encoded: the fresh process then needs nothing but TensorFlow and NumPy."""
    try:
        for index in range(len(images)):
            np.save(folder / f"{index}.npy", images.read(index))
            (folder / f"{index}.bytes").write_bytes(images.read_bytes(index))
    except OSError as error:
        raise RunError(
            f"cannot write the images to compare on into {folder}: {error.strerror or error}; "
            "free some space, or set TMPDIR to a folder that has it"
        ) from error


_SCRIPT = """
import json, sys
import numpy as np
import tensorflow as tf
folder, count, model = sys.argv[1], int(sys.argv[2]), tf.saved_model.load(sys.argv[3])
pixels, encoded = model.signatures["serving_default"], model.signatures["serve_bytes"]
answers = {"probabilities": [], "from_bytes": []}
for k in range(count):
    image = np.load(f"{folder}/{k}.npy")
    answers["probabilities"].append(pixels(images=tf.constant(image[None]))["probabilities"].numpy()[0].tolist())
    data = open(f"{folder}/{k}.bytes", "rb").read()
    if data[:2] == b"\\xff\\xd8" or data[:4] == b"\\x89PNG":
        answers["from_bytes"].append(int(encoded(encoded=tf.constant([data]))["class"].numpy()[0]))
    else:
        answers["from_bytes"].append(None)
print("ANSWERS" + json.dumps(answers))
"""


def _ask(saved_model: Path, folder: Path, count: int) -> dict:
    command = [sys.executable, "-c", _SCRIPT, str(folder), str(count), str(saved_model)]
    # On the CPU: a GPU is this process's, and rounds otherwise.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    answers = [line for line in done.stdout.splitlines() if line.startswith("ANSWERS")]
    if done.returncode or not answers:
        reason = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        raise RunError(f"the SavedModel does not load or run in a fresh process: {reason}; it was not kept")
    return json.loads(answers[0].removeprefix("ANSWERS"))
