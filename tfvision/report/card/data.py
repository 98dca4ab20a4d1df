"""The data of a model card: how many images of which class in which part, how they were split, what was dropped or guessed."""

from collections import Counter

from tfvision.report.card.markdown import bullets, code, markdown_table, plain_text, section
from tfvision.report.card.options import config_of
from tfvision.report.folder import RunFiles
from tfvision.report.tables import image_table
from tfvision.report.words import percent
from tfvision.system.local_paths import shorten_paths
from tfvision.training.config import TrainConfig

_ORDER = {"train": 0, "validation": 1, "test": 2}


def data_section(files: RunFiles) -> str:
    """Return the section on the data of a run, as Markdown."""
    title = "Images it was chosen and tested on" if files.ensemble else "Data"
    notes = [plain_text(note) for note in files.data.get("notes", ())]
    told = ["Read as follows, where something was found, guessed or left out:", bullets(notes)] if notes else []
    return section(title, bullets(_facts(files)), _counts(files), *told)


def data_name(files: RunFiles) -> str:
    """Return the name of the data, without its folder."""
    return str(files.data.get("name") or shorten_paths(str(files.config.get("data") or ""))[0] or "unnamed images")


def _facts(files: RunFiles) -> list[str]:
    found, config = files.data, config_of(files)
    lines = [f"Name: {code(data_name(files))}" + (" (the digits of scikit-learn)" * (data_name(files) == "digits"))]
    if found.get("images"):
        left_out = f"; {found['left_out']:,} more were left out of the split" if found.get("left_out") else ""
        lines.append(f"Images: {found['images']:,}{left_out}")
    if found.get("width"):
        lines.append(
            f"Size: {_range(found['width'])} px wide, {_range(found['height'])} px high"
            + ("; none has any colour" if found.get("gray") else "")
        )
    if config is not None:
        lines += _split(config, files)
    if groups := found.get("groups"):
        column = f" (column {code(found['group_column'])})" if found.get("group_column") else ""
        counts = ", ".join(
            f"{count:,} in {part}" for part, count in sorted(groups.items(), key=lambda each: _ORDER.get(each[0], 3))
        )
        lines.append(f"Groups{column} that stay together: {counts}")
    elif found:
        lines.append(
            "Groups: none were named, so images of one object, person, place or camera may stand in several parts"
        )
    return lines


def _range(values: list[int]) -> str:
    low, median, high = values
    return f"{low:,}" if low == high else f"{low:,} to {high:,} (median {median:,})"


def _split(config: TrainConfig, files: RunFiles) -> list[str]:
    split = config.split
    together = "exact copies stay in one part" + (", and so do near copies" if split.group_duplicates else "")
    if split.file:
        how = f"that of {code(shorten_paths(split.file)[0])}"
    elif split.folds:
        how = (
            f"fold {split.fold} of {split.folds} is the test; {percent(split.validation)} of the images are validation"
        )
    else:
        how = f"{percent(split.validation)} of the images for validation, {percent(split.test)} for the test"
        if files.data.get("given"):
            how = "the parts that came with the data; a part that it lacks was cut from training"
    return [f"Split: {how}; drawn within each class by seed {config.seed}; {together}"]


def _counts(files: RunFiles) -> str:
    found = image_table(Counter({key: count for key, count in files.counts.items() if key[0]}))
    if not found["parts"]:
        return ""
    rows = [(label, *(f"{count:,}" for count in counts)) for label, counts in found["rows"]]
    rows = rows if len(rows) > 1 else []
    total = ("all", *(f"{count:,}" for count in found["total"]))
    return markdown_table(("class", *found["parts"]), [*rows, total])
