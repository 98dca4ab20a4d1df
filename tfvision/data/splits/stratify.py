"""The draw of a stratified split whose units (copies, groups) are never divided."""

import numpy as np

from tfvision.data.copies.components import components, links_of_equal
from tfvision.data.images.imageset import ImageSet
from tfvision.errors import DataError

PARTS = ("train", "validation", "test")


def draw_parts(images: ImageSet, hashes: tuple[str, ...], shares: tuple[float, float, float], seed: int) -> np.ndarray:
    """Draw the part of each image, close to the shares in each class; exact if there are no copies and groups.

    Args:
        images: Labelled images; those of one group stay together.
        hashes: Content hash of each image; images with equal hashes stay together.
        shares: The shares of training, validation and test; they add up to 1.
        seed: Seed of the draw. The order of the images does not matter.

    Returns:
        str (n,), one of `PARTS` each.

    Raises:
        DataError: A class that has enough images cannot be in every part.
    """
    order = np.array(sorted(range(len(images)), key=images.ids.__getitem__), np.int64)
    groups = None if images.groups is None else images.groups[order]
    unit = tied_units([hashes[i] for i in order], groups)
    labels = images.labels[order]
    num_classes = len(images.class_names)
    members = np.zeros((unit.max() + 1, num_classes), np.int64)
    np.add.at(members, (unit, labels), 1)
    wanted = np.array([_target(n, shares) for n in members.sum(axis=0)]).T
    part_of_unit = _assign(members, wanted, np.random.default_rng(seed))
    _repair(members, part_of_unit, wanted, images.class_names)
    parts = np.empty(len(images), "U10")
    parts[order] = np.array(PARTS)[part_of_unit[unit]]
    return parts


def draw_some(images: ImageSet, count: int, seed: int) -> np.ndarray:
    """Draw about `count` images, the same share of every class and given part.

    Args:
        images: Labelled images.
        count: How many to draw; at least three of every class and part are kept, or all if there are fewer.
        seed: Seed of the draw.

    Returns:
        int64 (m,), their sorted indexes; a few more than `count` if there are rare classes.
    """
    parts = np.zeros(len(images)) if images.parts is None else np.unique(images.parts, return_inverse=True)[1]
    generator = np.random.default_rng(seed)
    chosen = []
    for k, part in sorted(set(zip(images.labels.tolist(), parts.tolist(), strict=True))):
        members = generator.permutation(np.flatnonzero((images.labels == k) & (parts == part)))
        chosen.append(members[: max(3, round(len(members) * count / len(images)))])
    return np.sort(np.concatenate(chosen))


def tied_units(hashes: list[str], groups: np.ndarray | None) -> np.ndarray:
    """Number the units that must stay together: images that share a hash or a group, directly or through others.

    Args:
        hashes: Content hash of each of n images.
        groups: str (n,); None without groups.

    Returns:
        int64 (n,), the unit of each image, from 0 on.
    """
    links = [*links_of_equal(hashes), *links_of_equal([] if groups is None else groups)]
    return np.unique(components(len(hashes), links), return_inverse=True)[1]


def _target(count: int, shares: tuple[float, float, float]) -> tuple[int, int, int]:
    """Return how many images of a class each part gets: at least one if the class has enough."""
    enough = count >= sum(share > 0 for share in shares)
    validation, test = (max(int(share > 0 and enough), int(count * share + 0.5)) for share in shares[1:])
    # A large share of a small class must leave one image to learn from.
    while validation + test >= count > 0:
        validation, test = (validation - 1, test) if validation >= test else (validation, test - 1)
    return count - validation - test, validation, test


def _assign(members: np.ndarray, wanted: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Assign the largest units first, each to the part that it overfills least; single images then fill the gaps."""
    part = np.full(len(members), -1, np.int64)
    left = wanted.astype(np.int64)
    sizes = members.sum(axis=1)
    order = generator.permutation(len(members))
    for u in sorted(order[sizes[order] > 1], key=lambda u: -sizes[u]):
        overflow = np.maximum(members[u] - left, 0).sum(axis=1)
        fullness = -(np.maximum(left, 0) * (members[u] > 0) / np.maximum(wanted, 1)).sum(axis=1)
        overflow[wanted.sum(axis=1) == 0] = len(order) + sizes.max()
        part[u] = min(range(len(PARTS)), key=lambda p: (overflow[p], fullness[p], p))
        left[part[u]] -= members[u]
    for k in range(members.shape[1]):
        singles = order[(sizes[order] == 1) & (members[order, k] == 1)]
        _, validation, test = np.maximum(left[:, k], 0)
        validation = min(validation, len(singles))
        test = min(test, len(singles) - validation)
        part[singles] = 0
        part[singles[:validation]] = 1
        part[singles[validation : validation + test]] = 2
    return part


def _repair(members: np.ndarray, part: np.ndarray, wanted: np.ndarray, class_names: tuple[str, ...]) -> None:
    """Give every class an image in every part that should have one, by moving the smallest unit that can be spared."""
    held = np.stack([members[part == p].sum(axis=0) for p in range(len(PARTS))])
    for p, k in np.argwhere((held == 0) & (wanted > 0)):
        if held[p, k]:
            continue
        able = [u for u in np.flatnonzero(members[:, k]) if _is_spare(members[u], held[part[u]])]
        if not able:
            raise DataError(
                f"class {class_names[k]} cannot stand in {PARTS[p]}: its images are copies of one another or in too few "
                "groups; add images or groups, or leave the class out"
            )
        u = min(able, key=lambda u: (part[u], members[u].sum(), u))
        held[part[u]] -= members[u]
        held[p] += members[u]
        part[u] = p


def _is_spare(unit: np.ndarray, held: np.ndarray) -> bool:
    """Tell whether a part still has an image of each class of the unit without it."""
    return bool(np.all(held[unit > 0] > unit[unit > 0]))
