"""The files of an attack: scores, table, curve and pictures."""

from pathlib import Path

from tfvision.robustness.attack_plots import plot_attacks, plot_changes, plot_patches
from tfvision.robustness.attack_scores import AttackScores
from tfvision.robustness.scoring import AttackPictures
from tfvision.system.files import to_csv, write_json, write_text


def write_attack(scores: AttackScores, pictures: AttackPictures, path: Path, plots: Path) -> list[Path]:
    """Write the scores as JSON and as a table beside it, and their pictures, all named after the JSON file.

    Args:
        scores: The scores.
        pictures: What is drawn of them.
        path: The JSON file.
        plots: The folder for the pictures.

    Returns:
        The paths of the files.

    Raises:
        WriteError: A file cannot be written.
    """
    table = path.with_suffix(".csv")
    write_json(path, scores.to_dict())
    rows = scores.row_dicts()
    columns = dict.fromkeys(key for row in rows for key in row)
    write_text(table, to_csv([{key: row.get(key, "") for key in columns} for row in rows]))
    curve, images, patch = (plots / f"{path.stem}{end}" for end in (".svg", "_images.png", "_patch.png"))
    for old in (curve, images, patch):
        old.unlink(missing_ok=True)  # of an earlier attack, which may have drawn more
    plot_attacks(scores, curve)
    if pictures.row:
        plot_changes(pictures.images, pictures.changed, pictures.captions, pictures.row, images)
    if pictures.trial:
        area = next(row.settings["area"] for row in scores.rows if row.attack == "patch")
        plot_patches(pictures.trial, pictures.patch_captions, area, patch)
    return [path, table, *(picture for picture in (curve, images, patch) if picture.is_file())]
