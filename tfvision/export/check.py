"""Check in a fresh process that a SavedModel agrees with model.keras, on real images at their original sizes."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfvision.data.boxes.geometry import box_ious
from tfvision.data.images.imageset import ImageSet
from tfvision.errors import RunError
from tfvision.models.decision import Decision
from tfvision.system.files import loadable
from tfvision.tasks import BOX, PROBABILITIES

LARGEST_DIFFERENCE = 1e-5  # of any probability, and of a box corner as a share of the image's side; for decoded images
LEAST_AGREEMENT = 0.995  # of predicted classes and boxes; for encoded images (another JPEG decoder)
LARGEST_TIE = 1e-3  # lead of a class over the next, in log-probability, that rounding may reverse
# Share of images that may differ by more if probabilities jump: a feature within a rounding error of a tree's
# threshold may fall on either side of it.
STEPPED = 0.02
SAME_BOX = 0.9  # lowest overlap at which two boxes agree


@dataclass(frozen=True)
class Agreement:
    """How closely a SavedModel agrees with the model it was made from.

    Attributes:
        images: Number of images compared.
        difference: Largest difference through `serving_default` of any probability, or of a box corner as a share of
            the image's side, leaving out the images that may jump.
        classes: Number of images given the same class through `serving_default`; None if the model has no classes.
        bytes_agreement: Share of images given the same class and box through `serve_bytes`; None if no image is JPEG
            or PNG.
    """

    images: int
    difference: float
    classes: int | None
    bytes_agreement: float | None


def check_saved_model(
    saved_model: Path,
    images: ImageSet,
    expected: dict[str, np.ndarray],
    decision: Decision | None = None,
    *,
    stepped: bool = False,
) -> Agreement:
    """Compare a SavedModel, loaded in a fresh process without Keras or tfvision's models, with expected outputs.

    Args:
        saved_model: Folder of the SavedModel.
        images: Real images at their original sizes.
        expected: The outputs of model.keras for them: `probabilities`, float (n, classes); `box`, float (n, 4).
        decision: The decision by which classes follow from the probabilities.
        stepped: Whether the probabilities jump, see `is_stepped`: then a share `STEPPED` of the images may differ by
            more.

    Returns:
        How closely they agree.

    Raises:
        RunError: They differ by more than `LARGEST_DIFFERENCE`, or in a class that is not a tie; encoded images agree in
            fewer than `LEAST_AGREEMENT`; the SavedModel does not load; or the images cannot be written for the fresh
            process.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, loadable(saved_model) as path:
        _write(images, Path(folder))
        answers = _ask(path, Path(folder), len(images), _names(expected))
    decision = decision or Decision()
    known = expected.get(PROBABILITIES)
    predicted = None if known is None else decision.decide(known)
    jumping = int(STEPPED * len(images)) if stepped else 0
    difference = max(
        _difference(np.array(answers["pixels"][name]), values, name, images, jumping)
        for name, values in expected.items()
    )
    by_bytes = [k for k, answer in enumerate(answers["encoded"]) if answer is not None]
    agreed = [
        (BOX not in expected or _same_box(answers["encoded"][k][BOX], expected[BOX][k]))
        and (predicted is None or answers["encoded"][k]["class"] == predicted[k])
        for k in by_bytes
    ]
    agreement = float(np.mean(agreed)) if agreed else None
    if not difference <= LARGEST_DIFFERENCE:
        raise RunError(
            f"the SavedModel differs from model.keras by {difference:.2e}, more than {LARGEST_DIFFERENCE:.0e}; "
            "it was not kept"
        )
    same = None if predicted is None else np.array(answers["pixels"]["class"]) == predicted
    if known is not None and same is not None:
        wrong = np.sum(~same & (decision.margins(known) > LARGEST_TIE))
        if wrong > jumping:
            raise RunError(
                f"the SavedModel gives {wrong:,} of {len(images):,} images another class than model.keras, "
                "although its probabilities agree; it was not kept"
            )
    if agreement is not None and agreement < LEAST_AGREEMENT:
        raise RunError(
            f"serve_bytes gives the same answer for {agreement:.1%} of images, less than {LEAST_AGREEMENT:.1%}; "
            "it was not kept"
        )
    return Agreement(len(images), difference, None if same is None else int(same.sum()), agreement)


def _difference(found: np.ndarray, expected: np.ndarray, name: str, images: ImageSet, jumping: int) -> float:
    """Return the largest difference of any image, ignoring the `jumping` largest unless some are NaN or infinite."""
    scale = np.tile(images.frames[:, :2], 2) if name == BOX and images.frames is not None else 1.0
    of_images = np.sort(np.abs((found - expected) / scale).max(axis=1))
    return float(of_images[-1 - (jumping if np.isfinite(of_images).all() else 0)])


def _same_box(found: list[float], expected: np.ndarray) -> bool:
    return float(box_ious(np.array(found), expected)) >= SAME_BOX or np.allclose(found, expected, atol=1)


def _write(images: ImageSet, folder: Path) -> None:
    """Write the images decoded and encoded, so that the fresh process needs only TensorFlow and NumPy."""
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
folder, count, model, names = sys.argv[1], int(sys.argv[2]), tf.saved_model.load(sys.argv[3]), sys.argv[4:]
pixels, encoded = model.signatures["serving_default"], model.signatures["serve_bytes"]
answers = {"pixels": {name: [] for name in names}, "encoded": []}
for k in range(count):
    image = np.load(f"{folder}/{k}.npy")
    answer = pixels(images=tf.constant(image[None]))
    for name in names:
        answers["pixels"][name].append(answer[name].numpy()[0].tolist())
    data = open(f"{folder}/{k}.bytes", "rb").read()
    if data[:2] == b"\\xff\\xd8" or data[:4] == b"\\x89PNG":
        answer = encoded(encoded=tf.constant([data]))
        answers["encoded"].append({name: answer[name].numpy()[0].tolist() for name in names})
    else:
        answers["encoded"].append(None)
print("ANSWERS" + json.dumps(answers))
"""


def _names(expected: dict[str, np.ndarray]) -> list[str]:
    """Return the names of the outputs to ask for."""
    return [*expected, *(["class"] if PROBABILITIES in expected else [])]


def _ask(saved_model: Path, folder: Path, count: int, names: list[str]) -> dict[str, Any]:
    command = [sys.executable, "-c", _SCRIPT, str(folder), str(count), str(saved_model), *names]
    # On the CPU: a GPU belongs to this process, and rounds differently.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    answers = [line for line in done.stdout.splitlines() if line.startswith("ANSWERS")]
    if done.returncode or not answers:
        reason = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        raise RunError(f"the SavedModel does not load or run in a fresh process: {reason}; it was not kept")
    return json.loads(answers[0].removeprefix("ANSWERS"))
