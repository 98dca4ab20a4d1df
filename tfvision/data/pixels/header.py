"""What the header of an image says: all that is known of it before any pixel is decoded."""

from dataclasses import dataclass

UPRIGHT = 1  # the EXIF orientation of an image that is shown as it is stored


@dataclass(frozen=True)
class Header:
    """What the header of an image says.

    Attributes:
        height: Rows before the EXIF orientation is applied.
        width: Columns before the EXIF orientation is applied.
        is_whole: Whether the file has its end.
        problem: Why its pixels cannot be taken as RGB; "" if they can.
        reader: The reader that keeps the stored values: "opencv"; "opencv unchanged" for 16 bits, which OpenCV would
            otherwise round instead of taking the high byte; "pillow" for alpha, by which OpenCV multiplies colours;
            "apart" for what is decoded in a process of its own.
        orientation: EXIF orientation, 1..8, as the decoder applies it.
        plain: What is to be decoded instead of the file: the same picture without the parts that it does not need;
            None for the file itself.
    """

    height: int
    width: int
    is_whole: bool = True
    problem: str = ""
    reader: str = "opencv"
    orientation: int = UPRIGHT
    plain: bytes | None = None
