"""Images that are conspicuous on their own: size, aspect, contrast, brightness, blur, colour, extension."""

from collections.abc import Sequence

import numpy as np

from tfvision.audit.deviations import deviations
from tfvision.audit.findings import Finding
from tfvision.audit.look import Look
from tfvision.audit.options import QualityOptions

_FAR = 3.0  # deviations of the blur effect from the other images


def find_poor(looks: Sequence[Look], options: QualityOptions) -> list[Finding]:
    """Find images that are conspicuous on their own.

    Args:
        looks: One for each readable image.
        options: The thresholds.

    Returns:
        Findings that index `looks`, the worst of each problem first.
    """
    sizes = np.array([look.size for look in looks], np.float64)
    contrast, low, high, blur = (
        np.array([getattr(look.quality, name) for look in looks]) for name in ("contrast", "low", "high", "blur")
    )
    side = _factor(np.sqrt(sizes.prod(axis=1)))
    aspect = _factor(sizes[:, 1] / sizes[:, 0])
    textured = contrast >= options.contrast
    blurred = textured & (blur >= options.blur) & (deviations(blur) >= _FAR)
    coloured = np.array([look.quality.has_colour for look in looks])
    is_gray = ~coloured & (coloured.mean() >= options.colour)
    return [
        *(Finding(i, "wrong_extension", 1.0, note=f"is {look.format}") for i, look in enumerate(looks) if look.format),
        *_found("extreme_size", side >= options.size, side, [f"{int(w)}x{int(h)}" for h, w in sizes]),
        *_found("extreme_aspect", aspect >= options.aspect, aspect, [f"{int(w)}x{int(h)}" for h, w in sizes]),
        *_found("constant", ~textured, contrast, lowest_first=True),
        *_found("dark", textured & (high < options.dark), high, lowest_first=True),
        *_found("bright", textured & (low > options.bright), low),
        *_found("blurred", blurred, blur),
        *_found("gray", is_gray, np.full(len(looks), coloured.mean())),
    ]


def _factor(values: np.ndarray) -> np.ndarray:
    """Return the factor, 1 or more, by which each value is above or below the median."""
    return np.exp(np.abs(np.log(values / np.median(values))))


def _found(
    problem: str, mask: np.ndarray, scores: np.ndarray, notes: Sequence[str] = (), *, lowest_first: bool = False
) -> list[Finding]:
    chosen = np.flatnonzero(mask)
    order = chosen[np.argsort(scores[chosen] if lowest_first else -scores[chosen], kind="stable")]
    return [Finding(int(i), problem, float(scores[i]), note=notes[i] if notes else "") for i in order]
