"""What CSV files and annotations have in common: rows, each of which is a box of an image."""

from dataclasses import dataclass, field

from tfvision.data.boxes.given import GivenBox


@dataclass(frozen=True)
class BoxRow:
    """One box of one image, or the fact that the image has none.

    Attributes:
        file: The image as the source calls it.
        name: Its name in the storage.
        box: The box, with its label; None if the image has none.
        where: Where it was found, for errors.
        group: The group of the image.
        part: Its part of the split.
    """

    file: str
    name: str
    box: GivenBox | None
    where: str
    group: str | None = None
    part: str | None = None


@dataclass
class BoxRows:
    """The rows of a source.

    Attributes:
        how: What was read, in a few words.
        rows: Its rows.
        bad: Pairs (row, reason) of what cannot be used.
        unit: `pixels` or `relative`; None to find it from the numbers.
        is_upright: Whether boxes refer to the upright image, not to the pixels as stored.
        used: Names of the files that were read.
    """

    how: str = ""
    rows: list[BoxRow] = field(default_factory=list)
    bad: list[tuple[str, str]] = field(default_factory=list)
    unit: str | None = None
    is_upright: bool = False
    used: list[str] = field(default_factory=list)
