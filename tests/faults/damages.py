"""Ways to damage a file, drawn with a seed; how many are tried is raised by `TFVISION_DAMAGES`."""

import os
from collections.abc import Iterator

import numpy as np


def how_many(default: int) -> int:
    """Return how many damages to try: `TFVISION_DAMAGES`, which is 2,000 for the table of faults, or the default."""
    return int(os.environ.get("TFVISION_DAMAGES") or default)


def flips(whole: bytes, count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yield what is done, and the file with one bit flipped."""
    for bit in np.random.default_rng(seed).integers(0, len(whole) * 8, count):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << (bit % 8)
        yield f"bit {bit % 8} of byte {bit // 8} flipped", bytes(data)


def cuts(whole: bytes, count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yield what is done, and the file without its end."""
    for length in np.random.default_rng(seed).integers(0, len(whole), count):
        yield f"cut to {length} of {len(whole)} bytes", whole[:length]
