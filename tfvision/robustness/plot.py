"""Plot accuracy against the severity of corruptions, and certified accuracy against the radius."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tfvision.plots.figure import CLASS_COLOURS, INK, VALIDATION, draw_legend, new_figure, save, set_title
from tfvision.robustness.options import CertifyOptions


def plot_corruptions(accuracies: Mapping[str, Sequence[float]], clean: float, path: Path | str) -> None:
    """Draw a line for each corruption, starting at the clean accuracy.

    Args:
        accuracies: Corruption to accuracy at severity 1, 2, ...
        clean: Accuracy on the unchanged images, drawn at severity 0.
        path: The SVG or PNG file to write.

    Raises:
        WriteError: The file cannot be written.
    """
    figure, (axes,) = new_figure(8, 4.6)
    last = 0
    for place, (name, values) in enumerate(sorted(accuracies.items(), key=lambda item: -item[1][-1])):
        style = "-" if place % 2 == 0 else "--"
        colour = CLASS_COLOURS[place % len(CLASS_COLOURS)]
        axes.plot(range(len(values) + 1), [clean, *values], style, color=colour, marker="o", markersize=4, label=name)
        last = max(last, len(values))
    axes.axhline(clean, color=INK, linewidth=1, linestyle=":")
    axes.set_xticks(range(last + 1), ["clean", *map(str, range(1, last + 1))])
    axes.set_xlabel("severity")
    axes.set_ylabel("accuracy")
    axes.set_ylim(top=1.02)
    set_title(axes, "Accuracy under corruption, the hardest last")
    draw_legend(axes, loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, path)


def plot_certificates(
    radii: np.ndarray,
    shares: np.ndarray,
    intervals: np.ndarray,
    path: Path | str,
    *,
    clean: float,
    options: CertifyOptions,
) -> None:
    """Draw certified accuracy against the radius, with its interval; the axis above shows the radius as share of 255.

    Args:
        radii: float (r,), L2 norms in pixel values 0..255, ascending up to the most that can be certified.
        shares: float (r,), certified accuracy at each.
        intervals: float (r, 2), the ends of its interval.
        path: The SVG or PNG file to write.
        clean: Accuracy of the model itself, without noise.
        options: Noise and samples, for the title.

    Raises:
        WriteError: The file cannot be written.
    """
    figure, (axes,) = new_figure(7.4, 4.4)
    axes.fill_between(radii, *intervals.T, color=VALIDATION, alpha=0.2, linewidth=0, label="95 % interval")
    axes.plot(radii, shares, color=VALIDATION, label="certified accuracy of the smoothed model")
    axes.axhline(clean, color=INK, linewidth=1, linestyle=":", label="accuracy of the model itself, without noise")
    axes.set_xlim(0, radii[-1])
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("L2 radius, in pixel values 0..255 at the model's input")
    axes.set_ylabel("accuracy")
    above = axes.secondary_xaxis("top", functions=(lambda radius: radius / 255, lambda share: share * 255))
    above.set_xlabel("as a share of 255")
    title = f"Certified accuracy at sigma {options.sigma:g}, {options.samples:,} samples an image"
    set_title(axes, title, pad=10)
    draw_legend(axes, loc="best")
    save(figure, path)
