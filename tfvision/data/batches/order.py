"""The images of each step of each epoch: a pure function of the seed and the number of the step."""

import functools
from dataclasses import dataclass

import numpy as np

from tfvision.data.batches.balance import oversample as plan_copies


@dataclass(frozen=True)
class Epochs:
    """The order of training images through all epochs.

    Attributes:
        entries: int64 (m, 2), what an epoch contains: rows (index of an image, copy); copy 0 is the image itself.
        batch_size: Entries in a step; the last step of an epoch may have fewer.
        seed: Seed of the order.
    """

    entries: np.ndarray
    batch_size: int
    seed: int

    @classmethod
    def of(cls, labels: np.ndarray, *, batch_size: int, seed: int, oversample: bool = False) -> "Epochs":
        """Plan epochs of all images, with copies of the rarer classes if asked.

        Args:
            labels: int (n,), the classes of the training images.
            batch_size: Images in a step.
            seed: Seed of the order and the copies.
            oversample: Whether to add copies until all classes have the same size.

        Returns:
            The order.
        """
        alone = np.stack([np.arange(len(labels)), np.zeros(len(labels), np.int64)], axis=1)
        return cls(plan_copies(labels, seed) if oversample else alone, batch_size, seed)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def steps(self) -> int:
        """Steps in one epoch."""
        return -(-len(self.entries) // self.batch_size)

    def batch(self, step: int) -> tuple[int, np.ndarray]:
        """Return the epoch of a step, which is counted from the start of training, and int64 (b,), its entries."""
        epoch, place = divmod(step, self.steps)
        return epoch, self._order(epoch)[place * self.batch_size : (place + 1) * self.batch_size]

    def _order(self, epoch: int) -> np.ndarray:
        return _permutation(self.seed, epoch, len(self.entries))


@functools.lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch)).permutation(count)
