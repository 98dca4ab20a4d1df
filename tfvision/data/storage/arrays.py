"""Images in arrays: their layouts and value ranges are converted to uint8 RGB by stated rules, image by image."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tfvision.data.pixels.decoding import MAX_PIXELS
from tfvision.data.storage.rows import Rows, row_blocks
from tfvision.errors import DataError, check_known, worded


@dataclass(frozen=True)
class PixelRule:
    """How values of other dtypes than uint8 become 0..255.

    Attributes:
        dtype: The NumPy scalar type that it takes, abstract or not.
        high: The greatest value that it takes; the least is 0.
        words: What it does, for messages.
        convert: Converts an image to uint8.
    """

    dtype: type
    high: float
    words: str
    convert: Callable[[np.ndarray], np.ndarray]

    def takes(self, dtype: np.dtype, low: float, high: float) -> bool:
        """Tell whether the rule applies to values of a dtype and range.

        Args:
            dtype: The dtype of the values.
            low: The least value.
            high: The greatest value; the rule never applies if one of the two is NaN.

        Returns:
            Whether it applies.
        """
        return np.issubdtype(dtype, self.dtype) and low >= 0 and high <= self.high


# The first rule that applies to an array is used.
PIXEL_RULES = {
    "float 0..1": PixelRule(
        np.floating, 1, "multiplied by 255 and rounded", lambda x: np.rint(x.astype(np.float32) * 255).astype(np.uint8)
    ),
    "float 0..255": PixelRule(np.floating, 255, "rounded", lambda x: np.rint(x.astype(np.float32)).astype(np.uint8)),
    "integer 0..255": PixelRule(np.integer, 255, "taken as they are", lambda x: x.astype(np.uint8)),
    "uint16 high byte": PixelRule(
        np.uint16, 65535, "taken by their high byte (value // 256)", lambda x: (x >> 8).astype(np.uint8)
    ),
}


@dataclass(frozen=True)
class PixelArray:
    """Images of one size in an array.

    Attributes:
        rows: (n, height, width) or (n, height, width, 1 | 3 | 4), or with channels first.
        channels_first: Whether it is (n, 1 | 3, height, width).
        rule: How values become uint8, a key of `PIXEL_RULES`; "" for uint8 and booleans.
    """

    rows: Rows
    channels_first: bool
    rule: str

    def __len__(self) -> int:
        return self.rows.shape[0]

    def read(self, index: int) -> np.ndarray:
        """Return an image as uint8 (height, width, 3), RGB: gray repeated, alpha dropped."""
        image = self.rows[index]
        if self.channels_first:
            image = np.moveaxis(image, 0, -1)
        if image.dtype == bool:
            image = image.astype(np.uint8) * np.uint8(255)
        elif image.dtype != np.uint8:
            image = PIXEL_RULES[self.rule].convert(image)
        if image.ndim == 2 or image.shape[-1] == 1:
            return cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_GRAY2RGB)
        return np.array(image[..., :3], order="C")


class ArrayStorage:
    """Images in arrays, with the interface of a storage: images are named `00012`, those of a part `train/00012`.

    Args:
        path: Where the arrays come from.
        arrays: The arrays by part; the part is "" for data without parts.

    Attributes:
        path: Where the arrays come from.
        names: The name of each image, in order.
        pixel_rule: How their values become uint8, a key of `PIXEL_RULES`; "" for uint8 and booleans.
    """

    def __init__(self, path: Path, arrays: Mapping[str, PixelArray]):
        self.path = path
        self._arrays = dict(arrays)
        self.pixel_rule = next(iter(arrays.values())).rule
        self.names = tuple(name for part, array in arrays.items() for name in _numbered(part, len(array)))

    def pixels(self, name: str) -> np.ndarray:
        """Return an image as uint8 (height, width, 3), RGB."""
        part, _, row = name.rpartition("/")
        return self._arrays[part].read(int(row))

    def size(self, name: str) -> int:
        """Return the size of the pixels of an image in bytes."""
        return self.pixels(name).nbytes

    def read(self, name: str) -> bytes:
        """Return an image, encoded as PNG."""
        return cv2.imencode(".png", cv2.cvtColor(self.pixels(name), cv2.COLOR_RGB2BGR))[1].tobytes()


def check_pixel_rule(rule: str | None) -> None:
    """Refuse an unknown pixel rule.

    Args:
        rule: A key of `PIXEL_RULES`, or None.

    Raises:
        UsageError: The rule is unknown.
    """
    if rule is not None:
        check_known("pixel rule", rule, PIXEL_RULES)


def pixel_arrays(arrays: Mapping[str, Rows], rule: str | None = None) -> tuple[dict[str, PixelArray], tuple[str, ...]]:
    """Decide how arrays of images are read; the same rule is used for all, so that the parts of a split agree.

    uint8 is taken as it is. For all other dtypes the range is found in one pass: other integers within 0..255 are taken
    as they are, uint16 above that by its high byte (value // 256); floats within 0..1 are multiplied by 255 and
    rounded, within 0..255 rounded. Everything else is refused. Booleans become 0 and 255. A fourth channel is alpha
    and dropped.

    A range is not conclusive: floats that are 0 and 1 may be a very dark part of 0..255. The images that a model
    predicts must be read by the rule of the images it was trained on, so give that rule for them.

    Args:
        arrays: The arrays by name: (n, height, width), (n, height, width, 1 | 3 | 4), or (n, 1 | 3, height, width).
        rule: One of `PIXEL_RULES`, which all values but uint8 and booleans must fit; found from their range if None.

    Returns:
        The readers of the arrays, by the same names, and a note for each conversion of the pixels.

    Raises:
        DataError: Another shape, dtype or range, or arrays of different dtypes.
        UsageError: An unknown rule.
    """
    check_pixel_rule(rule)
    layouts = {name: _is_channels_first(rows.shape, name) for name, rows in arrays.items()}
    names = ", ".join(arrays)
    dtypes = {rows.dtype.newbyteorder("=") for rows in arrays.values()}
    if len(dtypes) > 1:
        found = ", ".join(f"{name} {rows.dtype}" for name, rows in arrays.items())
        raise DataError(f"the images have different dtypes ({found}); expected one, so that their values agree")
    rule, note = _rule_of(list(arrays.values()), dtypes.pop(), names, rule)
    notes = [note] if note else []
    if any(layouts.values()):
        notes.append(f"{names}: channels come first, they are moved last")
    if any(len(rows.shape) == 4 and rows.shape[-1] == 4 and not layouts[name] for name, rows in arrays.items()):
        notes.append(f"{names}: the fourth channel is taken as alpha and dropped")
    return {name: PixelArray(rows, layouts[name], rule) for name, rows in arrays.items()}, tuple(notes)


def _is_channels_first(shape: tuple[int, ...], name: str) -> bool:
    """Tell whether channels come first, by the shape; they come last if both layouts fit."""
    text = f"{name} has the shape {tuple(shape)}"
    layouts = "expected (n, height, width) or (n, height, width, 1 | 3 | 4)"
    if len(shape) not in (3, 4):
        raise DataError(f"{text}; {layouts}; reshape it to one of these")
    if len(shape) == 3 and shape[-1] in (1, 3, 4):
        raise DataError(f"{text}, which looks like one image; {layouts}; add the first axis with array[None]")
    if not all(shape):
        raise DataError(f"{text}, which holds no pixels; {layouts}")
    first = len(shape) == 4 and shape[-1] not in (1, 3, 4) and shape[1] in (1, 3)
    if len(shape) == 4 and not first and shape[-1] not in (1, 3, 4):
        raise DataError(
            f"{text}, images of {shape[-1]} bands; expected 1, 3 or 4 (RGB and alpha) as the last axis; keep one or "
            "three of them, such as array[..., :3]"
        )
    height, width = shape[2:4] if first else shape[1:3]
    if height * width > MAX_PIXELS:
        raise DataError(f"{text}, more than {MAX_PIXELS:,} pixels an image; cut or shrink them")
    return first


def _rule_of(arrays: list[Rows], dtype: np.dtype, names: str, asked: str | None) -> tuple[str, str]:
    """Return the rule for the values of all arrays together, and a note on it."""
    if dtype == np.uint8:
        return "", ""
    if dtype.kind == "b":
        return "", f"{names}: bool values become 0 and 255"
    if dtype.kind not in "uif":
        raise DataError(f"{names}: images of dtype {dtype}; expected uint8, other integers, floats or booleans")
    low, high = _range(arrays)
    fitting = [name for name, rule in PIXEL_RULES.items() if rule.takes(dtype, low, high)]
    text = f"{names}: {dtype} values within {low:.5g}..{high:.5g}"
    if asked and asked not in fitting:
        raise DataError(
            f"{text} do not fit the pixel rule {worded(asked)}; expected uint8, or {asked}, which are "
            f"{PIXEL_RULES[asked].words}; convert them to that, or give the pixel rule that they need"
        )
    if not fitting:
        raise DataError(
            f"{text}; expected 0..255, or 0..1 as floats, or uint16; undo their normalization or scale them"
        )
    rule = asked or fitting[0]
    return rule, f"{text} are {PIXEL_RULES[rule].words}"


def _range(arrays: list[Rows]) -> tuple[float, float]:
    """Return the least and the greatest value, NaN if there is one."""
    ends = [(block.min(), block.max()) for rows in arrays for block in row_blocks(rows)]
    return np.min([low for low, _ in ends]).item(), np.max([high for _, high in ends]).item()


def _numbered(part: str, count: int) -> list[str]:
    width = max(5, len(str(count - 1)))
    return [f"{part}/{i:0{width}}" if part else f"{i:0{width}}" for i in range(count)]
