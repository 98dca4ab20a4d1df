"""The audit of a data set: every check in order, then the three files."""

import csv
import shlex
from collections import Counter
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from tfvision.audit.blends import find_blends
from tfvision.audit.copies import choose_copies, describe_pairs, find_conflicts, find_leaks, part_ranks
from tfvision.audit.features import backbone_features, check_backbone
from tfvision.audit.findings import PROBLEMS, Finding, describe_findings, ranked
from tfvision.audit.foreign import MIN_IMAGES, find_foreign
from tfvision.audit.labels import find_label_errors, out_of_fold_probabilities
from tfvision.audit.look import Damage, Look, look_at
from tfvision.audit.page import render_audit
from tfvision.audit.quality import find_poor
from tfvision.config import AuditConfig
from tfvision.data.duplicates import Pair, components, find_duplicates
from tfvision.data.imageset import ImageSet
from tfvision.data.listing import listing
from tfvision.data.selection import describe_selection
from tfvision.data.sources import open_images
from tfvision.data.stratify import PARTS
from tfvision.errors import DataError, UsageError
from tfvision.files import nearest, write_text
from tfvision.progress import ProgressLine, console, say_result
from tfvision.runs import refuse_existing

TABLE, PAGE, CLEAN = "audit.csv", "audit.html", "clean.csv"
_PAIRS = ("exact_duplicate", "near_duplicate", "conflicting_labels", "leak")  # about two images: one of them may stay


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        images: All images of the data, also unreadable ones.
        findings: Ranked; their indexes count in `images`.
        kept: bool (n,), whether an image is in clean.csv.
        notes: What was left out, one line each.
    """

    images: ImageSet
    findings: tuple[Finding, ...]
    kept: np.ndarray
    notes: tuple[str, ...] = ()


def audit_from_config(config: AuditConfig) -> Audit:
    """Do all that `tfvision audit` does: look at the data and write audit.csv, audit.html and clean.csv.

    Raises:
        UsageError: An unknown problem to remove or backbone, or an existing folder.
        DataError: No such data, or a split of other data.
    """
    check_removed(config.remove)
    check_backbone(config)
    output = Path(config.output)
    refuse_existing(output)
    images = open_images(config.data, **config.source.columns(), labelled=config.labelled)
    for note in images.notes:
        console.print(note)
    if config.splits:
        images = replace(images, parts=read_parts(config.splits, images))
    audit = audit_images(images, config)
    command = shlex.join(["tfvision", "train", "--data", (output / CLEAN).as_posix(), *_source_flags(config)])
    page = render_audit(
        audit.images,
        audit.findings,
        kept=int(audit.kept.sum()),
        removed=config.remove,
        notes=audit.notes,
        command=command,
        shown=config.shown,
    )
    write_text(output / TABLE, describe_findings(audit.images, audit.findings))
    write_text(output / CLEAN, describe_selection(audit.images.select(audit.kept), output / CLEAN))
    write_text(output / PAGE, page)
    say_result(describe_audit(audit, config))
    console.print(f"written: {output / TABLE}, {output / PAGE}, {output / CLEAN}\ntrain on the rest: {command}")
    return audit


def audit_images(images: ImageSet, config: AuditConfig) -> Audit:
    """Look for every kind of problem in images.

    Args:
        images: From `open_images`; their parts, if any, are searched for leaks.
        config: Options; data, output, splits and source are not looked at.
    """
    with ProgressLine("looking at images", len(images)) as line:
        found = look_at(images, line.report)
    findings = [Finding(i, d.problem, 1.0, note=d.reason) for i, d in enumerate(found) if isinstance(d, Damage)]
    places = np.array([i for i, look in enumerate(found) if isinstance(look, Look)], np.int64)
    notes: tuple[str, ...] = ()
    probabilities, pairs = None, ()
    if len(places):
        readable = _Readable(images.select(places), [found[i] for i in places], config)
        own, pairs, probabilities, notes = readable.audit()
        findings += [replace(f, index=int(places[f.index]), other=_moved(f.other, places)) for f in own]
        pairs = tuple(replace(p, first=int(places[p.first]), second=int(places[p.second])) for p in pairs)
    if probabilities is not None:
        everywhere = np.full(len(images), np.nan)
        everywhere[places] = probabilities
        probabilities = everywhere
    findings = ranked(findings)
    return Audit(images, findings, choose_kept(images, findings, pairs, probabilities, config.remove), notes)


def choose_kept(
    images: ImageSet,
    findings: tuple[Finding, ...],
    pairs: tuple[Pair, ...],
    probabilities: np.ndarray | None,
    remove: list[str],
) -> np.ndarray:
    """Tell which images are clean.

    Of copies one stays: that in the latest part of a split, then the first. Of copies under two labels the one whose
    label an out-of-fold model finds more likely than not, else none.

    Args:
        images: All.
        findings: What was found.
        pairs: Verified copies.
        probabilities: float (n,), out of fold, of the label of each image; None without.
        remove: Problems that keep an image out.

    Returns:
        bool (n,).
    """
    bad = np.zeros(len(images), bool)
    for finding in findings:
        if finding.problem in remove and finding.problem not in _PAIRS:
            bad[finding.index] = True
        if finding.problem == "conflicting_labels" and finding.problem in remove:
            for index in (finding.index, finding.other):
                bad[index] |= probabilities is None or not probabilities[index] > 0.5
    wanted = [pair for pair in pairs if ("exact_duplicate" if pair.exact else "near_duplicate") in remove]
    preference = np.zeros(len(images)) if images.parts is None else part_ranks(images.parts).astype(float)
    goes = choose_copies(wanted, bad, preference)
    if "leak" in remove:
        leaks = [finding for finding in findings if finding.problem == "leak"]
        goes[[finding.index for finding in leaks if not bad[finding.other]]] = True
    return ~(bad | goes)


def check_removed(remove: list[str]) -> None:
    """Refuse a problem that is none.

    Raises:
        UsageError: With the nearest known one.
    """
    for problem in remove:
        if problem not in PROBLEMS:
            raise UsageError(
                f"remove: unknown problem {problem!r}{nearest(problem, PROBLEMS)}; known are {', '.join(PROBLEMS)}"
            )


def read_parts(path: Path | str, images: ImageSet) -> np.ndarray:
    """Read the part of each image from a splits.csv; images that it does not name stand in none.

    Raises:
        DataError: No such file, no columns id and part, or ids that the data does not have.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read the split {path}: {error}; give the splits.csv of a run") from error
    if not rows or not {"id", "part"} <= rows[0].keys():
        raise DataError(f"{path} is no split; expected a CSV with the columns id and part")
    part_of = {row["id"]: row["part"] for row in rows}
    if wrong := sorted({str(part) for part in part_of.values()} - {*PARTS, ""}):
        raise DataError(f"{path} has the part {wrong[0]!r}; expected {', '.join(PARTS)} or nothing")
    known = set(images.ids)
    if unknown := [image_id for image_id in part_of if image_id not in known]:
        raise DataError(
            f"{path} has {len(unknown):,} ids that the data does not have: {listing(unknown)}; give the split of this data"
        )
    return np.array([part_of.get(image_id, "") for image_id in images.ids])


def describe_audit(audit: Audit, config: AuditConfig) -> str:
    """Return the summary for the terminal: a line for each problem that was found."""
    counts = Counter(finding.problem for finding in audit.findings)
    width = max(map(len, counts), default=0)
    lines = [f"{len(audit.images):,} images of {config.data}"]
    for problem in PROBLEMS:
        if counts[problem]:
            what = "left out" if problem in config.remove else "for the eye"
            lines.append(f"  {problem:<{width}}  {counts[problem]:>7,}  {what}")
    kept = int(audit.kept.sum())
    lines.append(f"  {kept:,} clean, {len(audit.images) - kept:,} left out" if counts else "  nothing conspicuous")
    return "\n".join([*lines, *(f"  {note}" for note in audit.notes)])


@dataclass(frozen=True)
class _Readable:
    """Readable images, and what one look at each told."""

    images: ImageSet
    looks: list[Look]
    config: AuditConfig

    def audit(self) -> tuple[list[Finding], tuple[Pair, ...], np.ndarray | None, tuple[str, ...]]:
        """Return findings, copies, the probability of each label (None without), and notes."""
        images, config = self.images, self.config
        poor = find_poor(self.looks, config.quality)
        pairs = self._copies({finding.index for finding in poor if finding.problem == "constant"})
        sizes = np.array([look.size for look in self.looks], np.int64)
        features = backbone_features(images, sizes, config)
        strange, notes = self._strangers(pairs, features)
        conflicts = find_conflicts(pairs, images.labels, images.class_names)
        doubted = {finding.index for finding in strange}
        doubted.update(index for finding in conflicts for index in (finding.index, finding.other))
        wrong, probabilities, more = self._label_errors(features, pairs, doubted, {f.index for f in strange})
        leaks = [] if images.parts is None else find_leaks(pairs, images.parts)
        findings = [*poor, *strange, *describe_pairs(pairs), *conflicts, *leaks, *wrong]
        return findings, pairs, probabilities, (*notes, *more)

    def _copies(self, constant: set[int]) -> tuple[Pair, ...]:
        """Find copies; images of one colour are near copies of any other."""
        content = [look.content for look in self.looks]
        perceptual = np.stack([look.perceptual for look in self.looks])
        busy = np.array([index not in constant for index in range(len(content))])
        with ProgressLine("comparing possible copies", 1) as line:
            return find_duplicates(self.images, content, perceptual, self.config.duplicates, busy, line.report)

    def _strangers(self, pairs: tuple[Pair, ...], features: np.ndarray | None) -> tuple[list[Finding], list[str]]:
        config = self.config
        thumbnails = np.stack([look.thumbnail for look in self.looks])
        blends = find_blends(thumbnails, [(p.first, p.second) for p in pairs], config.foreign, config.seed)
        if len(self.looks) < MIN_IMAGES:
            return blends, [f"fewer than {MIN_IMAGES} images: none can be told to be foreign"]
        statistics = np.stack([look.statistics for look in self.looks])
        return [*find_foreign(statistics, features, config.foreign, config.seed), *blends], []

    def _label_errors(
        self, features: np.ndarray | None, pairs: tuple[Pair, ...], doubted: set[int], strange: set[int]
    ) -> tuple[list[Finding], np.ndarray | None, list[str]]:
        """Find wrong labels; neither strangers nor copies under two labels are learned from, strangers not judged."""
        images, options = self.images, self.config.label
        if features is None or len(images.class_names) < 2:
            return [], None, []
        if find_spec("cleanlab") is None:
            return [], None, ["label errors were not looked for: they need cleanlab, `pip install 'tfvision[audit]'`"]
        usable = np.array([index not in strange for index in range(len(images))])
        learned = np.array([index not in doubted for index in range(len(images))])
        counts = np.bincount(images.labels[learned], minlength=len(images.class_names))
        small = counts < options.folds
        usable &= ~small[images.labels]
        notes = []
        if small.any():
            names = [f"{images.class_names[k]} ({counts[k]})" for k in np.flatnonzero(small)]
            notes = [f"no label errors among classes with fewer than {options.folds} images: {listing(names)}"]
        chosen = np.flatnonzero(usable)
        names, labels = np.unique(images.labels[chosen], return_inverse=True)
        if len(names) < 2:
            return [], None, notes
        groups = self._groups(pairs)[chosen]
        if len(np.unique(groups)) < options.folds:
            return [], None, [*notes, f"fewer than {options.folds} groups: label errors were not looked for"]
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
        """Number what must stand in one fold: copies, and the groups of the data."""
        links = [(pair.first, pair.second) for pair in pairs]
        if self.images.groups is not None:
            first: dict[str, int] = {}
            links += [(first.setdefault(group, i), i) for i, group in enumerate(self.images.groups)]
        return components(len(self.images), links)


def _moved(index: int | None, places: np.ndarray) -> int | None:
    return None if index is None else int(places[index])


def _source_flags(config: AuditConfig) -> list[str]:
    """Return the flags that open the data as the audit did."""
    return [
        text
        for name, value in config.source.columns().items()
        if value is not None
        for text in (f"--{name.replace('_', '-')}", value)
    ]
