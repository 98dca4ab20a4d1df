"""Class imbalance: weights for the loss, or copies of images of the rarer classes."""

from collections.abc import Mapping

import numpy as np


def class_weights(labels: np.ndarray, num_classes: int) -> dict[int, float]:
    """Return the weight n / (K n_k) of each class, so that all classes have the same total weight.

    Args:
        labels: int (n,), the classes of the training images.
        num_classes: K.

    Returns:
        A weight for each class; 1.0 for a class that does not occur, whose weight is never used.
    """
    counts = np.bincount(labels, minlength=num_classes)
    return {k: float(len(labels) / (num_classes * count)) if count else 1.0 for k, count in enumerate(counts)}


def image_weights(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Return the weight of each image, which is that of its class in `class_weights`.

    Args:
        labels: int (n,), the classes of the training images.
        num_classes: K.

    Returns:
        float64 (n,).
    """
    weights = class_weights(labels, num_classes)
    return np.array([weights[label] for label in labels])


def weights_of_labels(labels: np.ndarray, weights: Mapping[int, float]) -> np.ndarray:
    """Return the weights of images whose labels may be mixed: the mean of the class weights, weighted by the shares.

    Args:
        labels: float (b, K), with rows that add up to 1; or (b, 1), the share of the second of two classes.
        weights: The weight of each of the K classes.

    Returns:
        float32 (b,).
    """
    by_class = np.array([weights[k] for k in range(len(weights))])
    shares = np.hstack([1 - labels, labels]) if labels.shape[1] == 1 else labels
    return (shares @ by_class).astype(np.float32)


def oversample(labels: np.ndarray, seed: int) -> np.ndarray:
    """Plan copies of images so that every class that occurs has as many as the largest.

    The images of a class are copied equally often, give or take one; the seed decides which are copied once more.

    Args:
        labels: int (n,), the classes of the training images.
        seed: Seed of the draw.

    Returns:
        int64 (m, 2), rows (index, copy): first each image itself as copy 0, then the copies 1, 2, ... to augment.
    """
    generator = np.random.default_rng(seed)
    counts = np.bincount(labels)
    plan = [np.stack([np.arange(len(labels)), np.zeros(len(labels), np.int64)], axis=1)]
    for k in np.flatnonzero(counts):
        order = generator.permutation(np.flatnonzero(labels == k))
        number = np.arange(counts.max() - counts[k])
        plan.append(np.stack([order[number % len(order)], number // len(order) + 1], axis=1))
    return np.concatenate(plan).astype(np.int64)
