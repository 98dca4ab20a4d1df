"""A learning curve in a notebook: the answer, and the picture it comes from."""

from tfvision.learning_curve.curve import LearningCurve
from tfvision.notebook.cards import in_card, line, lines_of, plot
from tfvision.report.pictures import embed_plot
from tfvision.runs.names import CURVE_PLOT, PLOTS


def card_of_learning_curve(curve: LearningCurve) -> str:
    """Return what a notebook shows of a learning curve.

    Args:
        curve: From `learning_curve`.

    Returns:
        HTML.
    """
    path = curve.folder / PLOTS / CURVE_PLOT
    picture = embed_plot(path) if path.is_file() else ""
    answer = curve.sentence[0].upper() + curve.sentence[1:]
    html = [
        line(f"{answer}."),
        line(f"{curve.caveat}; {curve.course.replace('`', '')}", soft=True),
        plot(picture, f"{curve.label} against the number of training images") or lines_of(curve.describe().split("\n")),
        line(f"{curve.folder}", soft=True),
    ]
    return in_card("".join(html))
