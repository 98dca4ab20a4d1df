"""Words for the parts of a split, in the names of folders, files, arrays and the cells of a column."""

import re
from collections.abc import Collection

PART_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "evaluation": "test",
    "eval": "test",
}
UNLABELLED = "unlabelled"  # a folder beside the parts, whose images have no labels

_WORDS = PART_NAMES | dict.fromkeys(("pred", "prediction", "predict", "unlabeled", "unlabelled", "unsup"), UNLABELLED)
# Words that say nothing: train_images is called the same as train, seg_train is not.
_EMPTY = frozenset(
    {"set", "data", "dataset", "image", "images", "img", "imgs", "photo", "photos", "picture", "pictures", "x", "y"}
    | {"folder", "split", "samples"}
)
_GLUED = re.compile(rf"({'|'.join(sorted(_WORDS, key=len, reverse=True))})(set|data|images?|imgs?|folder)")


def part_in(name: str) -> tuple[str, str]:
    """Find the part that a name speaks of.

    Args:
        name: Such as `train`, `seg_train`, `X_test`, `trainingSet` or `val_images`.

    Returns:
        `train`, `validation`, `test` or `unlabelled`, and the other words without numbers and those that say nothing; ""
        and all words if the name speaks of no part or of several.
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    words = [_GLUED.sub(r"\1", word) if _GLUED.fullmatch(word) else word for word in re.findall(r"[a-z]+|\d+", spaced)]
    parts = {_WORDS[word] for word in words if word in _WORDS}
    if len(parts) != 1:
        return "", " ".join(words)
    return parts.pop(), " ".join(w for w in words if w not in _WORDS and w not in _EMPTY and not w.isdigit())


def parts_among(names: Collection[str]) -> dict[str, str]:
    """Find the names that are those of the parts of one split: the same but for the part.

    Args:
        names: Names of folders or files that lie beside each other.

    Returns:
        Name to part, with two different parts or more, training among them unless all names are parts; empty if there
        are none.
    """
    found = {name: part_in(name) for name in names}
    for rest in sorted({rest for part, rest in found.values() if part}):
        parts = {name: part for name, (part, own) in found.items() if part and own == rest}
        labelled = set(parts.values()) - {UNLABELLED}
        if len(set(parts.values())) > 1 and ("train" in labelled or (len(labelled) > 1 and len(parts) == len(found))):
            return parts
    return {}
