"""What a learning curve leaves: its table, its facts, its picture and its page."""

from pathlib import Path

from tfvision.learning_curve.curve import LearningCurve
from tfvision.learning_curve.page import write_curve_report
from tfvision.learning_curve.plot import plot_curve
from tfvision.runs.names import CURVE, CURVE_PLOT, CURVE_TABLE, PLOTS
from tfvision.system.files import to_csv, write_json, write_text
from tfvision.training.config import TrainConfig


def write_curve(curve: LearningCurve, config: TrainConfig) -> Path:
    """Write `learning_curve.csv`, `learning_curve.json`, the picture and `report.html` into the folder of a curve.

    Args:
        curve: The curve.
        config: The options of each training.

    Returns:
        The path of the page.

    Raises:
        WriteError: A file cannot be written.
    """
    write_text(curve.folder / CURVE_TABLE, to_csv(curve.rows))
    write_json(curve.folder / CURVE, curve.facts)
    plot_curve(curve, curve.folder / PLOTS / CURVE_PLOT)
    return write_curve_report(curve, config)
