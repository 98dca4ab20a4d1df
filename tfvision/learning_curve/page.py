"""The report of a learning curve: the answer, the picture, and every share."""

from pathlib import Path

from tfvision.config.yaml import to_yaml
from tfvision.learning_curve.curve import LearningCurve
from tfvision.report.pictures import embed_plot
from tfvision.report.template import page_template
from tfvision.runs.names import CURVE_PLOT, PLOTS, REPORT
from tfvision.system.environment import describe_environment
from tfvision.system.files import write_text
from tfvision.training.config import TrainConfig
from tfvision.version import __version__


def write_curve_report(curve: LearningCurve, config: TrainConfig) -> Path:
    """Write `report.html` into the folder of a learning curve, whose picture is there.

    Args:
        curve: The curve.
        config: The options of each training.

    Returns:
        The path of the page; it needs no network and no other file.

    Raises:
        WriteError: The file cannot be written.
    """
    further = curve.further
    page = page_template("learning_curve.html", "learning_curve").render(
        title=f"Learning curve of {Path(config.data).name}",
        figure=f"+{curve.gain.value:.3f}",
        headline=f"is what {curve.asked} would bring in {curve.label}, 95 % interval [{curve.gain.low:.3f}, "
        f"{curve.gain.high:.3f}]{'' if curve.gains else ': no gain to be seen beyond the noise'}.",
        remarks=_remarks(curve),
        label=curve.label,
        rows=_rows(curve),
        further={
            "images": f"{further.images:,}",
            "share": f"{curve.multiple:g}",
            "score": f"{further.score:.4f}",
            "interval": f"[{further.low:.4f}, {further.high:.4f}]",
        },
        picture=embed_plot(curve.folder / PLOTS / CURVE_PLOT),
        caption=_caption(curve),
        law=_law(curve),
        command=describe_environment().get("command") or "",
        config_text=to_yaml(config),
        folder=curve.folder.as_posix(),
        version=__version__,
    )
    write_text(curve.folder / REPORT, page)
    return curve.folder / REPORT


def _remarks(curve: LearningCurve) -> list[str]:
    answer = curve.sentence[0].upper() + curve.sentence[1:]
    course = curve.course.replace("`", "")
    return [
        f"{answer}.",
        f"{curve.caveat[0].upper() + curve.caveat[1:]}.",
        f"{course[0].upper() + course[1:]}.",
        "It holds for more images of the same kind: the same classes, labels of the same quality, places alike.",
    ]


def _rows(curve: LearningCurve) -> list[dict[str, str]]:
    return [
        {
            "images": f"{point.images:,.0f}",
            "share": f"{point.share:g}",
            "repeats": str(point.repeats),
            "score": f"{point.score:.4f}",
            "std": "" if point.std is None else f"{point.std:.4f}",
            "interval": "[{:.4f}, {:.4f}]".format(*point.interval),
            "curve": f"{curve.curve(round(point.images)).score:.4f}",
        }
        for point in curve.shares
    ]


def _caption(curve: LearningCurve) -> str:
    first, further = curve.shares[0], curve.further
    return (
        f"{curve.label.capitalize()} from {first.images:,.0f} training images to {further.images:,}, {curve.asked}: "
        f"measured on {len(curve.shares)} shares by {len(curve.points)} trainings, and as power laws through them go on."
    )


def _law(curve: LearningCurve) -> str:
    floor, scale, exponent = curve.laws.likeliest
    return f"1 - score = {floor:.4f} + {scale:.4g} n^-{exponent:.2f}"
