"""The adversarial patch of a campaign: fitted on one half of the images and scored on the other, and the other way."""

import time
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from tfvision.data.batches.pipeline import load_images
from tfvision.evaluation.inference import one_line_errors
from tfvision.robustness.attack_scores import AttackRow, Cost
from tfvision.robustness.attacks.patch import FITTED_AT_ONCE, fit_patch, place_patch
from tfvision.robustness.campaign import Campaign, predicted_as_files, settings_of
from tfvision.system.terminal import console

_CHUNK = 64
_SHOWN = 8


@dataclass
class PatchTrial:
    """What the patches of a campaign did.

    Attributes:
        right: bool (n,), where the model withstands a fitted patch.
        control: bool (n,), where it withstands one of random colours.
        patch: uint8 (side, side, channels), the patch that was fitted last.
        shown: Some images with it, uint8 (height, width, channels).
        rows: Their indexes.
        seconds: Wall time of fitting.
    """

    right: np.ndarray
    control: np.ndarray
    patch: np.ndarray = field(default_factory=lambda: np.zeros((1, 1, 1), np.uint8))
    shown: list[np.ndarray] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    seconds: float = 0.0

    def to_rows(self, campaign: Campaign) -> list[AttackRow]:
        """Return the row of the patch, and that of the control."""
        effort, clean, count = campaign.attacker.effort, float(campaign.clean.mean()), len(campaign.clean)
        passes, settings = 2 * FITTED_AT_ONCE * effort.patch_steps / count, settings_of("patch", effort)
        cost = Cost(passes, passes, self.seconds / count)
        fitted = AttackRow("patch", "patch", None, self.right, clean, cost, True, settings)
        free = {**settings, "steps": 0}
        return [fitted, AttackRow("random-patch", "patch", None, self.control, clean, Cost(), True, free)]


def try_patches(campaign: Campaign) -> PatchTrial:
    """Fit a patch on each half of the images, and lay it over the other half at places of its own.

    The patch lies over the image as the model sees it, after the resize.

    Args:
        campaign: The model and its images, two or more.

    Returns:
        What the patches did.
    """
    trial = PatchTrial(campaign.clean.copy(), campaign.clean.copy())
    with one_line_errors():
        for half in (0, 1):
            console.print(f"patch {half + 1}/2: fitted on one half of the images, scored on the other")
            _try_half(campaign, trial, half)
    return trial


def _try_half(campaign: Campaign, trial: PatchTrial, half: int) -> None:
    generator = np.random.default_rng(campaign.seed)
    halves = generator.permutation(len(campaign.images)) % 2
    scored = generator.permutation(np.flatnonzero((halves != half) & campaign.clean))  # the first ones are shown
    trial.patch = np.rint(_fit(campaign, trial, np.flatnonzero(halves == half), half)).astype(np.uint8)
    drawn = tf.random.stateless_uniform(trial.patch.shape, (campaign.seed, half), 0.0, 255.0)
    _lay(campaign, scored, tf.round(drawn), trial.control)
    trial.rows = scored[:_SHOWN].tolist()
    trial.shown = _lay(campaign, scored, tf.constant(trial.patch, tf.float32), trial.right)


def _fit(campaign: Campaign, trial: PatchTrial, rows: np.ndarray, half: int) -> np.ndarray:
    model, effort = campaign.attacker.model, campaign.attacker.effort
    resize = model.predictor.facts.resize
    side = max(2, round((effort.patch_area * resize.height * resize.width) ** 0.5))
    pixels = tf.constant(load_images(campaign.images, rows, resize), tf.float32)
    labels, seed = tf.constant(campaign.images.labels[rows], tf.int32), tf.constant((campaign.seed, half))

    answer = campaign.attacker.traced_logits(tuple(pixels.shape[1:]))

    def fit(*given: tf.Tensor) -> tf.Tensor:
        return fit_patch(answer, *given, side=side, area=effort.patch_area, steps=effort.patch_steps)

    call = tf.function(fit, autograph=False).get_concrete_function(pixels, labels, seed)
    start = time.perf_counter()
    fitted = call(pixels, labels, seed).numpy()
    trial.seconds += time.perf_counter() - start
    return fitted


def _lay(campaign: Campaign, rows: np.ndarray, patch: tf.Tensor, right: np.ndarray) -> list[np.ndarray]:
    """Score images with a patch, write into `right` where the model withstands, and return the first of them."""
    model, images, area = campaign.attacker.model, campaign.images, campaign.attacker.effort.patch_area
    shown: list[np.ndarray] = []
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        pixels = tf.constant(load_images(images, chunk, model.predictor.facts.resize), tf.float32)
        laid = np.rint(place_patch(pixels, patch, tf.constant((campaign.seed + 1, start)), area=area).numpy())
        right[chunk] = predicted_as_files(model.predictor, images.select(chunk), laid) == images.labels[chunk]
        shown = shown or list(laid[:_SHOWN].astype(np.uint8))
    return shown
