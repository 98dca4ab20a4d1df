"""The checks of readable images, one after the other: later ones use what earlier ones found."""

from dataclasses import dataclass, replace
from importlib.util import find_spec

import numpy as np

from tfvision.audit.blends import find_blends
from tfvision.audit.copies import describe_pairs, find_conflicts, find_leaks
from tfvision.audit.features import backbone_features
from tfvision.audit.findings import Finding
from tfvision.audit.foreign import FEWEST_IMAGES, find_foreign
from tfvision.audit.labels import find_label_errors, out_of_fold_probabilities
from tfvision.audit.look import Look
from tfvision.audit.options import AuditConfig
from tfvision.audit.quality import find_poor
from tfvision.data.copies.components import components, links_of_equal
from tfvision.data.copies.duplicates import Pair, find_duplicates
from tfvision.data.images.imageset import ImageSet
from tfvision.errors import listing
from tfvision.system.terminal import ProgressLine

_FEWEST_PIXELS = 16  # of the shorter side: of 1,797 digits of 8x8 px 728 would be near copies of another


@dataclass(frozen=True)
class Checks:
    """The checks of readable images.

    Attributes:
        images: The readable images.
        looks: What one look at each of them told.
        config: Options of the audit.
    """

    images: ImageSet
    looks: list[Look]
    config: AuditConfig

    def run(self) -> tuple[list[Finding], tuple[Pair, ...], np.ndarray | None, tuple[str, ...]]:
        """Run all checks.

        Returns:
            Findings, which index `images`; verified copies; the out-of-fold probability of each label, float64 (n,),
            NaN where it was not judged, or None without any; and notes on what was skipped.
        """
        images, config = self.images, self.config
        poor = find_poor(self.looks, config.quality)
        sizes = np.array([look.size for look in self.looks], np.int64)
        tiny = set(np.flatnonzero(sizes.min(axis=1) < _FEWEST_PIXELS).tolist())
        pairs = self._copies({finding.index for finding in poor if finding.problem == "constant"} | tiny)
        features = backbone_features(images, sizes, config)
        strange, notes = self._strangers(pairs, features)
        conflicts = find_conflicts(pairs, images.labels, images.class_names)
        foreign = {
            finding.index for finding in strange if finding.problem != "overlaid"
        }  # a frame makes no label doubtful
        doubted = set(foreign)
        doubted.update(index for finding in conflicts for index in (finding.index, finding.other) if index is not None)
        wrong, probabilities, more = self._label_errors(features, pairs, doubted, foreign)
        leaks = [] if images.parts is None else find_leaks(pairs, images.parts)
        findings = [*poor, *strange, *describe_pairs(pairs), *conflicts, *leaks, *wrong]
        if tiny:
            few = f"of {len(tiny):,} images below {_FEWEST_PIXELS} px only exact copies were looked for"
            more = [*more, f"{few}: so few pixels look alike by chance"]
        return findings, pairs, probabilities, (*notes, *more)

    def _copies(self, alike: set[int]) -> tuple[Pair, ...]:
        """Find copies; of images that look like any other, as nearly constant ones do, only exact ones."""
        content = [look.content for look in self.looks]
        perceptual = np.stack([look.perceptual for look in self.looks])
        busy = np.array([index not in alike for index in range(len(content))])
        with ProgressLine("comparing possible copies", 1) as line:
            return find_duplicates(self.images, content, perceptual, self.config.duplicates, busy, line.report)

    def _strangers(self, pairs: tuple[Pair, ...], features: np.ndarray | None) -> tuple[list[Finding], list[str]]:
        config = self.config
        thumbnails = np.stack([look.thumbnail for look in self.looks])
        blends = find_blends(thumbnails, [(p.first, p.second) for p in pairs], config.foreign, config.seed)
        if len(self.looks) < FEWEST_IMAGES:
            return blends, [f"fewer than {FEWEST_IMAGES} images: too few to tell which are foreign"]
        statistics = np.stack([look.statistics for look in self.looks])
        return [*find_foreign(statistics, features, config.foreign, config.seed), *blends], []

    def _label_errors(
        self, features: np.ndarray | None, pairs: tuple[Pair, ...], doubted: set[int], strange: set[int]
    ) -> tuple[list[Finding], np.ndarray | None, list[str]]:
        """Find wrong labels, learning neither from foreign images, which are not judged, nor from disputed copies."""
        images, options = self.images, self.config.label
        if features is None or len(images.class_names) < 2:
            return [], None, []
        if find_spec("cleanlab") is None:
            return [], None, ["label errors were not looked for: they need cleanlab, `pip install 'tfvision[audit]'`"]
        learned = np.array([index not in doubted for index in range(len(images))])
        counts = np.bincount(images.labels[learned], minlength=len(images.class_names))
        rare = [f"{images.class_names[k]} ({counts[k]})" for k in np.flatnonzero(counts < options.folds)]
        notes = [f"label check skips classes with fewer than {options.folds} images: {listing(rare)}"] if rare else []
        judged = (
            np.array([index not in strange for index in range(len(images))]) & (counts >= options.folds)[images.labels]
        )
        chosen = np.flatnonzero(judged)
        names, labels = np.unique(images.labels[chosen], return_inverse=True)
        groups = self._groups(pairs)[chosen]
        if len(names) < 2 or len(np.unique(groups)) < options.folds:
            return [], None, [*notes, "label errors were not looked for: too few classes or groups"]
        with ProgressLine("folds for label errors", len(chosen)) as line:
            found = out_of_fold_probabilities(
                features[chosen], labels, groups, learned[chosen],
                folds=options.folds, seed=self.config.seed, progress=line.report,
            )  # fmt: skip
        errors = find_label_errors(labels, found, tuple(images.class_names[k] for k in names), options)
        probabilities = np.full(len(images), np.nan)
        probabilities[chosen] = found[np.arange(len(chosen)), labels]
        return [replace(error, index=int(chosen[error.index])) for error in errors], probabilities, notes

    def _groups(self, pairs: tuple[Pair, ...]) -> np.ndarray:
        """Return the same number for images that must share a fold: copies, and groups of the data."""
        links = [(pair.first, pair.second) for pair in pairs]
        if self.images.groups is not None:
            links += links_of_equal(self.images.groups)
        return components(len(self.images), links)
