"""Outputs of a frozen trunk for images: computed once, kept in a store, read by whatever trains on top."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tfvision.data.batches.pipeline import selection_batches
from tfvision.data.batches.views import Selection
from tfvision.data.pixels.resize import Resize
from tfvision.errors import RunError
from tfvision.evaluation.inference import one_line_errors, run_batches
from tfvision.system.terminal import console
from tfvision.training.features.store import FORMAT, FeatureStore, stores_folder

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class StoredFeatures:
    """Outputs of a trunk for a list of items.

    Attributes:
        table: float16 or float32 `(n, values)`, rows of a store or an array in memory.
        rows: int64 `(items,)`, the row of each item.
        shapes: Shape of each of the trunk's outputs for one image; together they have `values` numbers.
    """

    table: np.ndarray
    rows: np.ndarray
    shapes: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, items: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the outputs for some items, `(len(items), *shape)` each, as they are stored."""
        values = self.table[self.rows[items]]
        sizes = np.cumsum([int(np.prod(shape)) for shape in self.shapes])[:-1]
        parts = np.split(values, sizes, axis=1)
        return tuple(part.reshape(len(items), *shape) for part, shape in zip(parts, self.shapes, strict=True))

    def matrix(self) -> np.ndarray:
        """Return all as float32 `(items, values)`, in memory."""
        return self.table[self.rows].astype(np.float32)


@dataclass(frozen=True)
class TrunkFeatures:
    """Computes the outputs of a trunk, or finds them in the store of equal trunks.

    A store's key covers everything that determines the numbers: the trunk's layers, their connections, options and
    weights; the resize; the versions of the libraries that decode and compute; the kind of device; the stored dtype. A
    row's key covers the image's own content and its view. So nothing stale can be found, and every run, fold and trial
    with the same trunk shares one store.

    Attributes:
        trunk: A frozen model, pixels in; see `Cut.trunk`.
        resize: The one resize.
        batch_size: Images a step.
        dtype: `float16` or `float32`, as features are stored; `none` keeps them in memory only, as float32.
        name: The backbone, for `tfvision cache list`.
    """

    trunk: "keras.Model"
    resize: Resize
    batch_size: int
    dtype: str = "float16"
    name: str = ""

    def of(self, selection: Selection, *, what: str) -> StoredFeatures:
        """Compute or find the features of a selection.

        Args:
            selection: Views of scanned images.
            what: Name of the work, for the progress line.

        Returns:
            The features, an item for each of the selection.

        Raises:
            DataError: An image is unreadable, or has changed since it was scanned.
            WriteError: The disk cannot hold the store.
            RunError: The trunk puts out NaN or infinite numbers.
        """
        if self.dtype == "none":
            table = np.empty((len(selection), self.values), np.float32)
            done = 0
            for block in self._compute(selection, what):
                table[done : done + len(block)] = block
                done += len(block)
            return StoredFeatures(table, np.arange(len(selection)), self.shapes)
        try:
            return self._stored(selection, what)
        except OverflowError:
            console.print(f"{what}: numbers beyond 65,504, the largest of float16: stored as float32")
            return replace(self, dtype="float32")._stored(selection, what)

    def missing(self, selection: Selection) -> int:
        """Return how many items are not stored yet, as far as a quick look tells."""
        if self.dtype == "none":
            return len(selection)
        return int((self._store.find(selection.keys(), check=False)[1] < 0).sum())

    @cached_property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of each output for one image."""
        return tuple(tuple(output.shape[1:]) for output in self.trunk.outputs)

    @property
    def values(self) -> int:
        """Numbers for one image."""
        return sum(int(np.prod(shape)) for shape in self.shapes)

    @property
    def row_bytes(self) -> int:
        """Bytes that an item takes."""
        return self.values * (2 if self.dtype == "float16" else 4)

    @cached_property
    def _store(self) -> FeatureStore:
        facts: dict[str, str | int] = {
            "backbone": self.name or self.trunk.name,
            "last": self.trunk.operations[-1].name,
            "image_size": self.resize.width,
            "dtype": self.dtype,
            "values": self.values,
        }
        folder = stores_folder() / trunk_key(self.trunk, self.resize, self.dtype)
        return FeatureStore(folder, self.values, self.dtype, facts)

    def _stored(self, selection: Selection, what: str) -> StoredFeatures:
        store, keys = self._store, selection.keys()
        table, rows = store.find(keys)
        if (rows < 0).any():
            with store.writing():
                # Another process may have written some while this one waited.
                _, rows = store.find(keys)
                missing = _first_of_each(keys, np.flatnonzero(rows < 0))
                store.require_space(len(missing))
                done = 0
                for block in self._compute(selection.at(missing), what):
                    store.append([keys[place] for place in missing[done : done + len(block)]], self._rounded(block))
                    done += len(block)
            table, rows = store.find(keys)
            if (rows < 0).any():
                raise RunError(f"{store.folder} does not keep what is written there; compute without it: --no-cache")
        return StoredFeatures(table, rows, self.shapes)

    def _compute(self, selection: Selection, what: str) -> Iterator[np.ndarray]:
        """Yield float32 rows `(b, values)`, batch by batch."""
        if not len(selection):
            return
        batches = selection_batches(selection, resize=self.resize, batch_size=self.batch_size)
        with one_line_errors(self.batch_size):
            for outputs in run_batches(self.trunk, batches, what=what, total=len(selection)):
                flat = [np.asarray(output, np.float32).reshape(len(output), -1) for output in outputs]
                block = np.concatenate(flat, axis=1)
                if not np.isfinite(block).all():
                    raise RunError(f"{what}: the frozen layers put out NaN or infinite numbers; use other --weights")
                yield block

    def _rounded(self, block: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            rounded = block.astype(self.dtype)
        if not np.isfinite(rounded).all():
            raise OverflowError
        return rounded


def trunk_key(trunk: "keras.Model", resize: Resize, dtype: str) -> str:
    """Return a key of everything that determines a trunk's outputs for an image.

    Args:
        trunk: The frozen model, pixels in.
        resize: What images pass before it.
        dtype: The stored dtype, `float16` or `float32`.

    Returns:
        32 hexadecimal digits.
    """
    import keras
    import tensorflow as tf

    facts = {
        "format": FORMAT,
        "layers": _canonical(trunk),
        "resize": resize.to_dict(),
        "dtype": dtype,
        "versions": [tf.__version__, keras.__version__, cv2.__version__],
        "device": "gpu" if keras.distribution.list_devices("gpu") else "cpu",
    }
    key = hashlib.blake2b(json.dumps(facts, sort_keys=True, default=str).encode(), digest_size=16)
    for weight in trunk.weights:
        values = np.ascontiguousarray(keras.ops.convert_to_numpy(weight))
        key.update(values)  # type: ignore[arg-type]  # a buffer, which NumPy's types say from Python 3.12 on only
    return key.hexdigest()


def _first_of_each(keys: Sequence[bytes], places: np.ndarray) -> np.ndarray:
    """Return the places whose key does not occur at an earlier one: copies of an image are computed once."""
    return np.array(list({keys[place]: place for place in places[::-1]}.values())[::-1], np.int64)


def _canonical(trunk: "keras.Model") -> object:
    """Return a model's configuration with operations named by their place; Keras numbers names through a process."""
    config = trunk.get_config()
    # One output, or a list of one: the features are the same.
    outputs = config.get("output_layers")
    if outputs and isinstance(outputs[0], str):
        config["output_layers"] = [outputs]
    names = {entry["name"]: f"#{place}" for place, entry in enumerate(config["layers"])}
    return _renamed({key: value for key, value in config.items() if key != "name"}, names)


def _renamed(value: object, names: Mapping[str, str]) -> object:
    if isinstance(value, dict):
        # What is trainable does not matter to a trunk, which only runs inference.
        left_out = ("trainable", "build_config", "shared_object_id")
        return {key: _renamed(each, names) for key, each in value.items() if key not in left_out}
    if isinstance(value, (list, tuple)):
        return [_renamed(each, names) for each in value]
    return names.get(value, value) if isinstance(value, str) else value
