"""Certificates of a run, for the report: how many images no small change can move to another class."""

from typing import Any

from tfvision.report.words import percent


def certificate_section(stored: dict[str, Any]) -> dict[str, Any] | None:
    """Return the report's section on certificates by randomized smoothing.

    Args:
        stored: Content of `certify.json`; empty if there is none.

    Returns:
        `sentences`, and `rows` of `(radius, share of 255, certified accuracy, interval)` as text; None without
        certificates, or if the file is damaged.
    """
    try:
        rows = [_certified_row(point) for point in stored["certified_accuracy"]]
        return {"sentences": _certified_sentences(stored), "rows": rows}
    except (KeyError, TypeError, ValueError):
        return None


def _certified_sentences(stored: dict[str, Any]) -> list[str]:
    mean = stored["average_certified_radius"]
    return [
        f"Randomized smoothing (Cohen et al., 2019) of {stored['n']:,} {stored['images']} images: the smoothed class is "
        f"the one that the model names most often under Gaussian noise of standard deviation {stored['sigma']:g}. No "
        "change of the pixels whose L2 norm is below an image's radius changes that class; each radius is right with a "
        f"chance of {1 - stored['alpha']:g}. Norms are in pixel values 0..255 of the image at the model's input.",
        f"The average certified radius is {mean:.2f} ({mean / 255:.4f} of 255), wrong classes counting 0; "
        f"{stored['samples']:,} samples an image cannot certify more than {stored['largest_radius']:.2f}. The smoothed "
        f"model abstains on {stored['abstained']:,} images. Without noise the model itself is right on "
        f"{percent(stored['clean_accuracy'])} of them.",
    ]


def _certified_row(point: dict[str, Any]) -> tuple[str, ...]:
    low, high = point["ci95"]
    interval = f"{percent(low)} to {percent(high)}"
    return f"{point['radius']:.2f}", f"{point['share_of_255']:.4f}", percent(point["accuracy"]), interval
