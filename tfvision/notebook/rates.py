"""Learning rates in a notebook: the curve of each phase, and the rate that it suggests."""

import tempfile
from pathlib import Path

from tfvision.experiment.lr_find import LearningRates
from tfvision.notebook.cards import heading, in_card, line, plot
from tfvision.plots.rate_curves import plot_rate_curves
from tfvision.report.pictures import embed_plot


def card_of_rates(found: LearningRates) -> str:
    """Return what a notebook shows of learning rates.

    Args:
        found: From `lr_find`.

    Returns:
        HTML.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rates.svg")
        plot_rate_curves([curve.to_dict() for curve in found.phases], path)
        picture = plot(embed_plot(path), "loss against learning rate")
    said = [line(curve.describe()) for curve in found.phases]
    html = [
        heading("Learning rates"),
        *said,
        picture,
        line(f"{found.optimizer}, batches of {found.batch_size}; {found.rule}", soft=True),
    ]
    return in_card("".join(html))
