"""Perceptual hashes, and a search for pairs of similar ones that does not compare all with all."""

from collections.abc import Iterator
from itertools import combinations

import imagehash
import numpy as np
from PIL import Image, ImageChops, ImageOps

BITS = 64
# How one of two images must be turned to match the other; each turn is its own inverse.
ORIENTATIONS = ("", "mirrored", "upside down", "turned by 180 degrees")
_TURNS = (lambda image: image, ImageOps.mirror, ImageOps.flip, lambda image: ImageOps.mirror(ImageOps.flip(image)))
# A shift by one pixel of a 32 px image is enough to change 20 bits. The other image of a pair covers the opposite
# shifts.
_SHIFTS = ((1, 0), (0, 1), (1, 1), (1, -1))
VARIANTS = (*ORIENTATIONS, *[""] * len(_SHIFTS))
_BANDS = 4
_BAND_BITS = BITS // _BANDS
_SIDE = 32  # what pHash shrinks an image to
_BLOCK = 1 << 22  # pairs compared at a time


def perceptual_hashes(pixels: np.ndarray) -> np.ndarray:
    """Return the pHash of an image in each of the `ORIENTATIONS`, then shifted by 1/32 of its side in four directions.

    Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010: the signs of the lowest 8x8
    frequencies. Re-encoding and resizing change a few bits; a different picture differs in about half of them.

    Args:
        pixels: uint8 (height, width, 3).

    Returns:
        uint64 (8,), one for each of `VARIANTS`.
    """
    small = Image.fromarray(pixels).convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    variants = [turn(small) for turn in _TURNS] + [ImageChops.offset(small, *shift) for shift in _SHIFTS]
    bits = np.stack([imagehash.phash(variant).hash.ravel() for variant in variants])
    return np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)


def near_pairs(hashes: np.ndarray, others: np.ndarray, distance: int) -> np.ndarray:
    """Find the pairs whose hashes differ in few bits.

    Multi-index hashing (Norouzi, Punjani, Fleet, "Fast Search in Hamming Space with Multi-Index Hashing", 2012): if two
    hashes differ in d bits, they differ in at most d // 4 bits in one of four bands of 16 bits. So each band is looked
    up by its value and those near it, and only the pairs found there are compared: for 64 random bits and d = 10 one
    pair in 120, none of them twice in a band.

    Args:
        hashes: uint64 (n,).
        others: uint64 (n,), hashes of the same images, unchanged, turned or shifted.
        distance: Bits that may differ, 0..31.

    Returns:
        int64 (pairs, 2) of indexes i < j with `hashes[i]` near `others[j]` or `hashes[j]` near `others[i]`, sorted,
        each once.
    """
    found = [np.empty(0, np.int64)]
    count = len(hashes)
    for band in range(_BANDS):
        shift = np.uint64(band * _BAND_BITS)
        own, theirs = ((h >> shift).astype(np.int64) & (1 << _BAND_BITS) - 1 for h in (hashes, others))
        order = np.argsort(own, kind="stable")
        starts = np.searchsorted(own[order], np.arange((1 << _BAND_BITS) + 1))
        for mask in _masks(distance // _BANDS):
            probe = theirs ^ mask
            for i, j in _matches(order, starts[probe], starts[probe + 1]):
                near = (i != j) & (np.bitwise_count(hashes[i] ^ others[j]) <= distance)
                found.append(np.minimum(i[near], j[near]) * count + np.maximum(i[near], j[near]))
    return np.stack(np.divmod(np.unique(np.concatenate(found)), max(1, count)), axis=1)


def _masks(flips: int) -> list[int]:
    """Return every pattern of up to `flips` bits in a band."""
    places = range(_BAND_BITS)
    return [sum(1 << bit for bit in bits) for size in range(flips + 1) for bits in combinations(places, size)]


def _matches(order: np.ndarray, low: np.ndarray, high: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (i, j) for all i in `order[low[j]:high[j]]`, some million at a time: near-empty images share a bucket."""
    counts = high - low
    ends = np.cumsum(counts)
    start = 0
    while start < len(counts):
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + _BLOCK, side="right")))
        sizes = counts[start:stop]
        j = np.repeat(np.arange(start, stop), sizes)
        within = np.arange(len(j)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        yield order[np.repeat(low[start:stop], sizes) + within], j
        start = stop
