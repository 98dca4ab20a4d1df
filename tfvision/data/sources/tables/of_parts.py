"""CSV files that belong to the parts of one split."""

import posixpath
from collections.abc import Sequence

from tfvision.data.sources.parts import parts_among


def parts_of_tables(names: Sequence[str]) -> dict[str, str]:
    """Find which CSV files are those of the parts of one split, such as `train.csv` and `test.csv`.

    Args:
        names: Names of CSV files; only those nearest to the top are looked at.

    Returns:
        Name to part, by the folder of each or by its own name; empty if they are of no split.
    """
    depth = min(name.count("/") for name in names)
    nearest = [name for name in names if name.count("/") == depth]
    folders = [posixpath.dirname(name) for name in nearest]
    if len(set(folders)) == len(folders) and (parts := parts_among([posixpath.basename(f) for f in folders])):
        own = {name: posixpath.basename(posixpath.dirname(name)) for name in nearest}
        return {name: parts[folder] for name, folder in own.items() if folder in parts}
    stems = {name: posixpath.splitext(posixpath.basename(name))[0] for name in nearest}
    parts = parts_among(list(stems.values())) if len(set(folders)) == 1 else {}
    return {name: parts[stem] for name, stem in stems.items() if stem in parts}
