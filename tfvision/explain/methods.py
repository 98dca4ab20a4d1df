"""Ways to say where a model looked. To add one, add a function and a row of `EXPLAIN_METHODS`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from tfvision.errors import UsageError
from tfvision.explain.graph import ExplainedModel, square_of
from tfvision.explain.overlays import spread

# A function takes the model, pixels float32 (b, height, width, channels) of 0..255 and targets int (b,), and returns maps
# float32 (b, h, w) of any size, higher where an image speaks for its target.
Explain = Callable[[ExplainedModel, np.ndarray, np.ndarray], np.ndarray]

_STEPS = 32  # of the integral
_SIGNED = 0.1  # share of a map's values below 0 from which on it has both signs; those of swish have less
_CHANNELS = 64  # most active feature maps that become masks
_PATCHES, _OVERLAP = 7, 2  # hidden patches in a row that cover an image once, and how often they cover it
_FLOOR = 0.05  # what a stage leaves of a place that it sees nothing in, of 1
_BATCH = 64


def gradcam(model: ExplainedModel, pixels: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Weigh each feature map by its mean gradient (Selvaraju et al., "Grad-CAM", ICCV 2017)."""
    maps, gradients = model.gradients(pixels, targets)
    weights = gradients.mean(axis=(1, 2), keepdims=True)
    return np.maximum((weights * maps).sum(axis=-1), 0)


def gradcam_plus_plus(model: ExplainedModel, pixels: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Weigh places of a feature map so that several objects count alike (Chattopadhay et al., "Grad-CAM++", WACV 2018)."""
    maps, gradients = model.gradients(pixels, targets)
    squared = gradients**2
    below = 2 * squared + maps.sum(axis=(1, 2), keepdims=True) * gradients**3
    share = np.divide(squared, below, out=np.zeros_like(squared), where=np.abs(below) > 1e-12)
    weights = (share * np.maximum(gradients, 0)).sum(axis=(1, 2), keepdims=True)
    return np.maximum((weights * maps).sum(axis=-1), 0)


def layercam(model: ExplainedModel, pixels: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Weigh each place by its own gradient, which suits early layers (Jiang et al., "LayerCAM", IEEE TIP 2021).

    LayerCAM counts positive gradients alone, since maps after a ReLU only say that something is there. Maps with both
    signs, as those of ConvNeXt and transformers, speak for a class below 0 too: there the whole product counts, which is
    HiResCAM (Draelos and Carin, 2020).
    """
    return _weighed_by_place(*model.gradients(pixels, targets))


def fused_layercam(model: ExplainedModel, pixels: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Take the geometric mean of LayerCAM's maps over all resolutions: early layers know where, late ones what for.

    Jiang et al. fuse stages too, by the larger of scaled maps; a product asks every stage to agree, and finds what
    decides more often, see `benchmarks/explanations.py`.
    """
    stages = [_weighed_by_place(*found) for found in model.stage_gradients(pixels, targets)]
    height, width = np.max([maps.shape[1:] for maps in stages], axis=0)
    large = np.stack([[spread(heat, int(height), int(width)) for heat in maps] for maps in stages])
    fused = np.exp(np.log(large + _FLOOR).mean(axis=0)) - _FLOOR
    return np.where(large.any(axis=0), np.maximum(fused, 0), 0)  # exactly 0 where no stage sees anything


def _weighed_by_place(maps: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    below = np.maximum(-maps, 0).sum() > _SIGNED * np.abs(maps).sum()
    return np.maximum(((gradients if below else np.maximum(gradients, 0)) * maps).sum(axis=-1), 0)


def occlusion(model: ExplainedModel, pixels: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Hide patches by the image's mean colour and see how the score falls (Zeiler and Fergus, ECCV 2014)."""
    return np.stack([_occluded(model, image, target) for image, target in zip(pixels, targets, strict=True)])


def integrated_gradients(model: ExplainedModel, pixels: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Add up gradients from the mean colour to the image (Sundararajan et al., "Axiomatic Attribution", ICML 2017)."""
    found = []
    for image, target in zip(pixels, targets, strict=True):
        base = np.broadcast_to(image.mean(axis=(0, 1)), image.shape)
        steps = (np.arange(_STEPS, dtype=np.float32)[:, None, None, None] + 0.5) / _STEPS
        path = (base + steps * (image - base)).astype(np.float32)
        gradients = model.pixel_gradients(path, np.full(_STEPS, target)).mean(axis=0)
        spoken = np.maximum(((image - base) * gradients).sum(axis=-1), 0)
        found.append(cv2.GaussianBlur(spoken.astype(np.float32), (0, 0), max(1.0, min(image.shape[:2]) / 32)))
    return np.stack(found)


def scorecam(model: ExplainedModel, pixels: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Show only what each of the 64 most active feature maps covers, and weigh it by the score (Wang et al., "Score-CAM",
    CVPR workshops 2020)."""
    maps, _ = model.gradients(pixels, targets)
    found = []
    for image, own, target in zip(pixels, maps, targets, strict=True):
        chosen = own[..., np.argsort(-own.max(axis=(0, 1)), kind="stable")[:_CHANNELS]]
        low, high = chosen.min(axis=(0, 1)), chosen.max(axis=(0, 1))
        masks = (chosen - low) / np.maximum(high - low, 1e-12)
        large = np.stack([cv2.resize(masks[..., k], image.shape[1::-1]) for k in range(masks.shape[-1])])
        base = image.mean(axis=(0, 1))
        scores = _scored(model, base + large[..., None] * (image - base), target)
        before = model.scores(np.broadcast_to(base, image.shape)[None].astype(np.float32))[0, target]
        found.append(np.maximum((np.maximum(scores - before, 0) * masks).sum(axis=-1), 0))
    return np.stack(found)


def attention(model: ExplainedModel, pixels: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Follow what tokens take from each other through all layers, where it speaks for the target.

    Chefer et al., "Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder Transformers",
    ICCV 2021: attention rollout (Abnar and Zuidema, 2020), each layer weighed by its gradients. Every token counts
    alike at the end, as in a head that averages them.
    """
    relevance: np.ndarray | None = None
    for scores, gradients in model.attention_gradients(pixels, targets):
        own = np.eye(scores.shape[-1])
        relevance = own if relevance is None else relevance
        relevance = (own + np.maximum(scores * gradients, 0).mean(axis=1)) @ relevance
    assert relevance is not None  # a model without attention is refused above
    tokens = relevance.mean(axis=1) - 1 / relevance.shape[-1]  # less what each token keeps of itself
    square = square_of(tokens.shape[-1])
    if square is None:
        raise UsageError(f"the model's {tokens.shape[-1]:,} tokens are no square of places; use another --method")
    side, skipped = square
    return np.maximum(tokens[:, skipped:].reshape(-1, side, side), 0)


@dataclass(frozen=True)
class ExplainMethod:
    """A way to explain.

    Attributes:
        title: What it is called.
        explain: The function.
        draws_on: The feature maps of one layer or of all stages, what tokens take from each other, or the pixels.
    """

    title: str
    explain: Explain
    draws_on: Literal["layer", "stages", "tokens", "pixels"] = "layer"


EXPLAIN_METHODS = {
    "fused_layercam": ExplainMethod("LayerCAM of all stages", fused_layercam, "stages"),
    "layercam": ExplainMethod("LayerCAM", layercam),
    "gradcam": ExplainMethod("Grad-CAM", gradcam),
    "gradcam++": ExplainMethod("Grad-CAM++", gradcam_plus_plus),
    "attention": ExplainMethod("attention relevance", attention, "tokens"),
    "occlusion": ExplainMethod("occlusion", occlusion, "pixels"),
    "integrated_gradients": ExplainMethod("integrated gradients", integrated_gradients, "pixels"),
    "scorecam": ExplainMethod("Score-CAM", scorecam),
}


def explain_pixels(model: ExplainedModel, method: str, pixels: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the maps of a batch; of boxes the mean over their sides, each of which may move either way.

    Args:
        model: The model.
        method: A key of `EXPLAIN_METHODS`.
        pixels: float32 (b, height, width, channels), 0..255.
        targets: int (b,), the classes to explain; of boxes ignored.

    Returns:
        float32 (b, h, w), 0 and up, of a size of the method's.
    """
    explain = EXPLAIN_METHODS[method].explain
    if not model.is_box:
        return explain(model, pixels, targets)
    return np.mean([explain(model, pixels, np.full(len(pixels), side)) for side in range(8)], axis=0)


def _occluded(model: ExplainedModel, image: np.ndarray, target: int) -> np.ndarray:
    height, width = image.shape[:2]
    rows = np.linspace(0, height, _PATCHES * _OVERLAP + 1).round().astype(int)
    columns = np.linspace(0, width, _PATCHES * _OVERLAP + 1).round().astype(int)
    base = image.mean(axis=(0, 1))
    places = [
        (rows[i], rows[min(i + _OVERLAP, len(rows) - 1)], columns[j], columns[min(j + _OVERLAP, len(columns) - 1)])
        for i in range(len(rows) - 1)
        for j in range(len(columns) - 1)
    ]
    hidden = np.repeat(image[None], len(places), axis=0)
    for one, (top, bottom, left, right) in zip(hidden, places, strict=True):
        one[top:bottom, left:right] = base
    falls = model.scores(image[None])[0, target] - _scored(model, hidden, target)
    total, count = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    for fall, (top, bottom, left, right) in zip(falls, places, strict=True):
        total[top:bottom, left:right] += fall
        count[top:bottom, left:right] += 1
    return np.maximum(total / np.maximum(count, 1), 0)


def _scored(model: ExplainedModel, pixels: np.ndarray, target: int) -> np.ndarray:
    """Return the score of one target for many images, in batches."""
    batches = [pixels[start : start + _BATCH].astype(np.float32) for start in range(0, len(pixels), _BATCH)]
    return np.concatenate([model.scores(batch)[:, target] for batch in batches])
