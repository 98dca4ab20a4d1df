"""Images foreign to the set: far from most others in content, colour and frequency."""

import numpy as np

from tfvision.audit.deviations import deviations
from tfvision.audit.findings import Finding
from tfvision.audit.options import ForeignOptions

FEWEST_IMAGES = 30  # with fewer there is no bulk to be far from
_STATISTICS = 8  # components of colour and frequency
_CLIPPED = 3.0  # deviations; one odd statistic alone does not make an image foreign
_REFERENCE = 20_000  # images among which neighbours are searched for


def find_foreign(
    statistics: np.ndarray, features: np.ndarray | None, options: ForeignOptions, seed: int
) -> list[Finding]:
    """Find images that are far from most others.

    The two descriptions scatter in different ways: a rare breed is odd in content, a photo taken at night in colour. A
    foreign image is odd in both, so their scores are averaged.

    Args:
        statistics: float (n, s), `describe_image` of each image.
        features: float (n, d), features of a frozen backbone; None to go by statistics alone.
        options: Neighbours and thresholds.
        seed: Seed of the sample that stands for a very large set.

    Returns:
        Findings, the worst first; none for fewer than 30 images.
    """
    if len(statistics) < FEWEST_IMAGES:
        return []
    scores = distance_scores(_standardized(statistics, robust=True), _STATISTICS, options.neighbours, seed)
    threshold = options.threshold_alone
    if features is not None:
        by_content = distance_scores(_standardized(features), options.components, options.neighbours, seed)
        scores, threshold = (scores + by_content) / 2, options.threshold
    order = np.argsort(-scores, kind="stable")
    return [Finding(int(i), "foreign", float(scores[i])) for i in order if scores[i] >= threshold]


def distance_scores(values: np.ndarray, components: int, neighbours: int, seed: int) -> np.ndarray:
    """Return how far each image is from its neighbours, in deviations from what is usual in the set.

    Ramaswamy, Rastogi, Shim, "Efficient Algorithms for Mining Outliers from Large Data Sets", 2000: the distance to the
    k-th neighbour, here on principal components and a logarithmic scale.

    Args:
        values: float (n, d), standardized.
        components: Principal components.
        neighbours: k; at most a third of the images.
        seed: Seed of the sample of 20,000 images that stands for a larger set; k shrinks in proportion.

    Returns:
        float (n,), 0 for a usual distance.
    """
    from sklearn.decomposition import PCA
    from sklearn.neighbors import NearestNeighbors

    count = len(values)
    components = min(components, *values.shape)
    points = PCA(components, svd_solver="randomized", random_state=seed).fit_transform(values)
    sample = points
    if count > _REFERENCE:
        sample = points[np.random.default_rng(seed).permutation(count)[:_REFERENCE]]
    k = max(1, round(min(neighbours, count // 3) * len(sample) / count))
    distances = NearestNeighbors(n_neighbors=k + 1).fit(sample).kneighbors(points)[0][:, -1]
    return deviations(np.log(np.maximum(distances, 1e-9)))


def _standardized(values: np.ndarray, *, robust: bool = False) -> np.ndarray:
    """Scale columns to mean 0 and deviation 1; if `robust`, by median and interquartile range, and clip them."""
    if not robust:
        scale = values.std(axis=0)
        return (values - values.mean(axis=0)) / np.where(scale < 1e-6, 1, scale)
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75), axis=0)
    scale = (high - low) / 1.349
    return np.clip((values - middle) / np.where(scale < 1e-3, 1, scale), -_CLIPPED, _CLIPPED)
