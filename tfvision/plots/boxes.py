"""Pictures of boxes: the histogram of overlaps, and images with the true and the predicted box."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from tfvision.evaluation.score_names import SCORES
from tfvision.plots.figure import INK, MARK, TRAIN, VALIDATION, draw_legend, new_figure, save, set_title

_BINS = np.linspace(0, 1, 21)


@dataclass(frozen=True)
class DrawnBox:
    """A box over an image: a true one is solid, a predicted one dashed.

    Attributes:
        corners: float (4,), xmin, ymin, xmax, ymax in pixels of the image as it is drawn.
        predicted: Whether a model predicted it.
    """

    corners: np.ndarray
    predicted: bool = False

    def draw(self, axes: Axes) -> None:
        """Draw it over a dark line, so that it can be seen on any background."""
        xmin, ymin, xmax, ymax = self.corners - 0.5  # pixels are drawn around their centres
        for width, colour in ((3.0, "#000000"), (1.6, TRAIN if self.predicted else MARK)):
            style = (0, (4, 2)) if self.predicted else "-"
            axes.add_patch(
                Rectangle(
                    (xmin, ymin),
                    xmax - xmin,
                    ymax - ymin,
                    fill=False,
                    linewidth=width,
                    edgecolor=colour,
                    linestyle=style,
                )
            )


def plot_iou_histogram(
    ious: np.ndarray, path: Path | str, title: str, baseline: tuple[str, float] | None = None
) -> None:
    """Draw a histogram of the overlaps, with the mean and PASCAL VOC's threshold of 0.5 marked.

    Args:
        ious: `(n,)` float in 0..1, the overlap of each image's predicted and true box.
        path: The SVG or PNG file to write.
        title: The title of the figure.
        baseline: Name and mean IoU of the best baseline, to be marked too; None for no mark.
    """
    figure, (axes,) = new_figure(7.5, 4.4)
    axes.hist(ious, bins=_BINS, color=VALIDATION, edgecolor="white")
    mean, above = float(ious.mean()), float((ious > 0.5).mean())
    axes.axvline(mean, color=MARK, linewidth=2.4, label=f"{SCORES['mean_iou'].label()} {mean:.3f}")
    axes.axvline(0.5, color=INK, linewidth=1.6, linestyle="--", label=f"0.5: {above:.1%} of the images lie above")
    if baseline:
        axes.axvline(baseline[1], color=TRAIN, linewidth=1.8, linestyle=":", label=f"{baseline[0]} {baseline[1]:.3f}")
    axes.set_xlim(0, 1)
    axes.set_xlabel("intersection over union of the predicted and the true box")
    axes.set_ylabel("images")
    set_title(axes, title)
    draw_legend(axes, loc="upper left")
    save(figure, path)
