"""Certificates: the certified radius of each image, the share that is certified at each radius, and their files."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tfvision.evaluation.binomial import clopper_pearson_lower, share_interval
from tfvision.models.decision import Decision
from tfvision.robustness.options import CertifyOptions
from tfvision.system.files import to_csv, write_json, write_text
from tfvision.system.shown import Record
from tfvision.system.tables import TextTable

_STEP = 0.25  # of sigma, between the radii that are listed


@dataclass(frozen=True, eq=False, repr=False)
class Certificates(Record):
    """What randomized smoothing certifies of some images.

    Attributes:
        name: Name of the images.
        ids: Their ids.
        class_names: The model's classes.
        labels: int64 (n,), the true classes.
        predicted: int64 (n,), the class of the smoothed model; -1 where it abstains.
        radii: float64 (n,), L2 norm in pixel values 0..255 at the model's input, below which no change of the image
            changes `predicted`; 0 where it abstains.
        options: Noise, samples, chance of a mistake.
        clean: Accuracy of the model itself on the same images without noise.
        seconds: For an image.
        decision: What turned probabilities into classes; None for the most probable class.
        written: The files written.
    """

    name: str
    ids: tuple[str, ...]
    class_names: tuple[str, ...]
    labels: np.ndarray
    predicted: np.ndarray
    radii: np.ndarray
    options: CertifyOptions
    clean: float = float("nan")
    seconds: float = 0.0
    decision: Decision | None = None
    written: tuple[Path, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def correct(self) -> np.ndarray:
        """bool (n,), whether the smoothed model names the true class and does not abstain."""
        return self.predicted == self.labels

    @property
    def abstained(self) -> int:
        """Number of images without a certified class."""
        return int(np.sum(self.predicted < 0))

    @property
    def average_radius(self) -> float:
        """Mean radius, wrong classes and abstentions counting 0 (Zhai et al., MACER, ICLR 2020)."""
        return float(np.mean(np.where(self.correct, self.radii, 0.0)))

    @property
    def passes(self) -> int:
        """Noisy images that the model was asked about."""
        return len(self) * (self.options.n0 + self.options.samples)

    def certified_accuracy(self, radius: float) -> tuple[float, tuple[float, float]]:
        """Return the share of images whose class is right and certified for every change up to a radius.

        Args:
            radius: L2 norm in pixel values 0..255.

        Returns:
            The share, and its exact 95 % interval (Clopper and Pearson) over the draw of the images.
        """
        return share_interval(self.correct & (self.radii > radius))

    def rows(self) -> list[dict[str, object]]:
        """Return a row for each image, as in certify.csv; `predicted` is empty where the model abstains."""
        return [
            {
                "id": image_id,
                "label": self.class_names[label],
                "predicted": self.class_names[said] if said >= 0 else "",
                "radius": float(radius),
                "correct": int(said == label),
            }
            for image_id, label, said, radius in zip(self.ids, self.labels, self.predicted, self.radii, strict=True)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values for JSON."""
        options = self.options
        return {
            "images": self.name,
            "n": len(self),
            **{name: getattr(options, name) for name in ("sigma", "alpha", "samples", "n0", "seed")},
            "unit": "L2 norm in pixel values 0..255 at the model's input",
            "clean_accuracy": self.clean,
            "decision": self.decision and self.decision.to_dict(),
            "abstained": self.abstained,
            "average_certified_radius": self.average_radius,
            "largest_radius": largest_radius(options),
            "certified_accuracy": [self._point(radius) for radius in listed_radii(options)],
            "forward_passes": self.passes,
            "seconds_per_image": round(self.seconds, 4),
        }

    def _point(self, radius: float) -> dict[str, Any]:
        share, interval = self.certified_accuracy(radius)
        return {"radius": radius, "share_of_255": radius / 255, "accuracy": share, "ci95": list(interval)}

    def tables(self) -> list[TextTable]:
        """Return a table with a row for each listed radius."""
        rows = []
        for point in map(self._point, listed_radii(self.options)):
            low, high = point["ci95"]
            share = f"{point['accuracy']:.4f} [{low:.4f}, {high:.4f}]"
            rows.append((f"{point['radius']:.2f}", f"{point['share_of_255']:.4f}", share))
        return [TextTable(("radius (L2)", "of 255", "certified accuracy"), rows)]

    def remarks(self) -> list[str]:
        """Return what the figures rest on."""
        options, mean = self.options, self.average_radius
        return [
            f"average certified radius {mean:.2f} ({mean / 255:.4f} of 255)  abstained {self.abstained:,} of "
            f"{len(self):,}  without noise {self.clean:.4f}",
            f"radii are L2 norms in pixel values 0..255 at the model's input, each right with a chance of "
            f"{1 - options.alpha:g}; with {options.samples:,} samples none exceeds {largest_radius(options):.2f}",
            f"{self.passes:,} forward passes, {self.seconds:.2g} s an image",
        ]


def largest_radius(options: CertifyOptions) -> float:
    """Return the radius of an image whose samples all agree: no certificate can exceed it."""
    from scipy.special import ndtri

    return float(options.sigma * ndtri(clopper_pearson_lower(options.samples, options.samples, options.alpha)))


def listed_radii(options: CertifyOptions) -> list[float]:
    """Return 0 and every quarter of sigma that could be certified."""
    return [float(radius) for radius in np.arange(0, largest_radius(options), _STEP * options.sigma)]


def write_certificates(found: Certificates, path: Path, plots: Path) -> list[Path]:
    """Write certificates as JSON, their table beside it, and the curve of certified accuracy.

    Args:
        found: The certificates.
        path: The JSON file to write.
        plots: The folder for the curve, which is named after `path`.

    Returns:
        The paths of the three files.

    Raises:
        WriteError: A file cannot be written.
    """
    from tfvision.robustness.plot import plot_certificates  # imports matplotlib

    table, picture = path.with_suffix(".csv"), plots / f"{path.stem}.svg"
    write_json(path, found.to_dict())
    write_text(table, to_csv(found.rows()))
    radii = np.linspace(0, largest_radius(found.options), 400, endpoint=False)  # beyond it nothing can be certified
    points = [found.certified_accuracy(radius) for radius in radii]
    shares, intervals = np.array([share for share, _ in points]), np.array([interval for _, interval in points])
    plot_certificates(radii, shares, intervals, picture, clean=found.clean, options=found.options)
    return [path, table, picture]
