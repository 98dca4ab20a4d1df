"""The audit of a data set: every check in order, then the three files."""

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tfvision.audit.features import check_backbone
from tfvision.audit.findings import PROBLEMS, Finding, describe_findings, rank_findings
from tfvision.audit.kept import choose_kept
from tfvision.audit.look import Damage, Look, look_at
from tfvision.audit.options import AuditConfig, removed_problems
from tfvision.config.options import from_dict
from tfvision.data.copies.duplicates import Pair
from tfvision.data.images.imageset import ImageSet
from tfvision.data.options import Source
from tfvision.data.sources.digits import EMBEDDED
from tfvision.data.sources.open import open_images
from tfvision.data.sources.python import Held
from tfvision.data.sources.selection import describe_selection
from tfvision.data.splits.splits_file import read_parts
from tfvision.errors import DataError, listing
from tfvision.runs.folder import making_alone
from tfvision.system.device import load_tensorflow
from tfvision.system.files import appearing, write_text
from tfvision.system.shown import Record
from tfvision.system.tables import TextTable
from tfvision.system.terminal import ProgressLine, console, in_one_output, say_result

TABLE, PAGE, CLEAN = "audit.csv", "audit.html", "clean.csv"


@dataclass(frozen=True, repr=False)
class Audit(Record):
    """What an audit found.

    Attributes:
        images: All images of the data, including unreadable ones.
        findings: Ranked; their indexes refer to `images`.
        kept: bool (n,), whether an image is in clean.csv.
        notes: Checks that were skipped, one line each.
        removed: The problems that keep an image out of clean.csv; others are for the eye.
        written: The files written.
    """

    drawn_by: ClassVar[str] = "audit"

    images: ImageSet
    findings: tuple[Finding, ...]
    kept: np.ndarray
    notes: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    written: tuple[Path, ...] = ()

    @property
    def clean(self) -> ImageSet:
        """The images that are in clean.csv."""
        return self.images.select(self.kept)

    def tables(self) -> list[TextTable]:
        """Return the count of each problem that was found."""
        counts = Counter(finding.problem for finding in self.findings)
        rows = [
            (problem, f"{counts[problem]:,}", "left out" if problem in self.removed else "for the eye")
            for problem in PROBLEMS
            if counts[problem]
        ]
        return [TextTable((f"{len(self.images):,} images of {self.images.source or 'arrays'}", "", ""), rows)]

    def remarks(self) -> list[str]:
        """Return how many images are clean, and which checks were skipped."""
        kept = int(self.kept.sum())
        said = f"{kept:,} clean, {len(self.images) - kept:,} left out" if self.findings else "nothing conspicuous"
        return [said, *self.notes]


@in_one_output
def audit(data: "str | Path | Held | ImageSet", *, output: str | Path | None = None, **options: Any) -> Audit:
    """Look for damaged, copied, foreign and wrongly labelled images, and list the clean ones; nothing is changed.

    Args:
        data: The images, see `open_images`, or a set of them.
        output: The folder for audit.csv, audit.html and clean.csv; default `audit`.
        **options: Other options of the command line: `backbone="resnet50"`, `remove=["foreign"]`,
            `quality={"dark": 30}`.

    Returns:
        What was found, and which images are clean.

    Raises:
        UsageError: An unknown option, problem or backbone (the nearest is named), or a folder that exists already.
        DataError: No such data, or a split made for other data.
    """
    given = {} if output is None else {"output": str(output)}
    if isinstance(data, (str, Path)):
        return audit_from_config(from_dict(AuditConfig, {**options, "data": str(data), **given}))
    images = data if isinstance(data, ImageSet) else open_images(data, labelled=options.get("labelled", True))
    opened = {
        name: value for name, value in images.columns.items() if value is not None
    }  # how they can be opened again
    config = from_dict(AuditConfig, {"source": opened, **options, "data": images.source or "arrays", **given})
    return audit_from_config(config, images)


def audit_from_config(config: AuditConfig, images: ImageSet | None = None) -> Audit:
    """Do all that `tfvision audit` does: look at the data and write audit.csv, audit.html and clean.csv.

    Args:
        config: All options of the audit.
        images: The images, if they are open already.

    Returns:
        What was found, and which images are clean.

    Raises:
        UsageError: An unknown problem or backbone, or a folder that exists already.
        DataError: No such data, or a split made for other data.
    """
    removed = removed_problems(config.remove, PROBLEMS)
    check_backbone(config)
    output = Path(config.output)
    with making_alone(output):
        return _audit_into(output, config, images, removed)


def _audit_into(output: Path, config: AuditConfig, images: ImageSet | None, removed: Sequence[str]) -> Audit:
    if images is None:
        images = open_images(config.data, **config.source.columns(), labelled=config.labelled)
        for note in images.notes:
            console.print(note)
    if config.splits:
        images = replace(images, parts=parts_of(config.splits, images))
    if config.weights != "none":
        load_tensorflow()
    found = audit_images(images, config)
    again = config.labelled and (config.data == EMBEDDED or Path(config.data).exists())  # not what Python alone holds
    command, review_command = (
        shlex.join(["tfvision", "train", "--data", path, *_source_flags(config)]) if again else ""
        for path in ((output / CLEAN).as_posix(), "review.csv")
    )
    from tfvision.audit.page import render_audit

    page = render_audit(
        found.images,
        found.findings,
        kept=found.kept,
        removed=removed,
        notes=found.notes,
        command=command,
        review_command=review_command,
        shown=config.shown,
    )
    with appearing(output) as folder:
        write_text(folder / TABLE, describe_findings(found.images, found.findings))
        write_text(folder / CLEAN, describe_selection(found.images.select(found.kept), output / CLEAN))
        write_text(folder / PAGE, page)
    say_result(found.describe())
    console.print(f"written: {output / TABLE}, {output / PAGE}, {output / CLEAN}")
    if command:
        console.print(f"train on the rest: {command}")
    return replace(found, written=(output / TABLE, output / PAGE, output / CLEAN))


def audit_images(images: ImageSet, config: AuditConfig) -> Audit:
    """Look for every kind of problem in images.

    Args:
        images: From `open_images`; their parts, if any, are searched for leaks.
        config: Options; data, output, splits and source are ignored.

    Returns:
        What was found, and which images are clean.

    Raises:
        UsageError: An unknown problem.
    """
    removed = removed_problems(config.remove, PROBLEMS)
    from tfvision.audit.checks import Checks  # with SciPy's and ImageHash's part of a second

    with ProgressLine("looking at images", len(images)) as line:
        found = look_at(images, line.report)
    findings = [Finding(i, d.problem, 1.0, note=d.reason) for i, d in enumerate(found) if isinstance(d, Damage)]
    places = np.array([i for i, look in enumerate(found) if isinstance(look, Look)], np.int64)
    notes: tuple[str, ...] = ()
    probabilities: np.ndarray | None = None
    pairs: tuple[Pair, ...] = ()
    if len(places):
        looks = [look for look in found if isinstance(look, Look)]
        readable = replace(images.select(places), hashes=tuple(look.content for look in looks))
        own, pairs, probabilities, notes = Checks(readable, looks, config).run()
        findings += [replace(f, index=int(places[f.index]), other=_moved(f.other, places)) for f in own]
        pairs = tuple(replace(p, first=int(places[p.first]), second=int(places[p.second])) for p in pairs)
    if probabilities is not None:
        everywhere = np.full(len(images), np.nan)
        everywhere[places] = probabilities
        probabilities = everywhere
    ranked = rank_findings(findings)
    return Audit(images, ranked, choose_kept(images, ranked, pairs, probabilities, removed), notes, tuple(removed))


def parts_of(path: Path | str, images: ImageSet) -> np.ndarray:
    """Read the part of each image from a splits.csv.

    Args:
        path: A file with the columns `id` and `part`.
        images: The images that it splits.

    Returns:
        str (n,), the part of each image; "" for those that the file does not list.

    Raises:
        DataError: No such file, no columns id and part, or ids that the data does not have.
    """
    part_of = read_parts(path)
    known = set(images.ids)
    if unknown := [f"{name} (row {number})" for number, name in enumerate(part_of, start=2) if name not in known]:
        raise DataError(
            f"{path} has {len(unknown):,} ids that the data does not have: {listing(unknown)}; give the split of this data"
        )
    return np.array([part_of.get(image_id, "") for image_id in images.ids])


def _moved(index: int | None, places: np.ndarray) -> int | None:
    return None if index is None else int(places[index])


def _source_flags(config: AuditConfig) -> list[str]:
    """Return the flags that open the data as the audit did, leaving out those at their defaults."""
    defaults = Source().columns()
    return [
        text
        for name, value in config.source.columns().items()
        if value != defaults[name]
        for text in (f"--{name.replace('_', '-')}", value)
    ]
