"""What `tfvision export` does: turn a run into a SavedModel that takes raw images."""

from dataclasses import dataclass
from pathlib import Path

from tfvision.data.sources.digits import refuse_missing_data
from tfvision.errors import DataError, UsageError
from tfvision.export.check import Agreement
from tfvision.runs.folder import Run, open_run
from tfvision.runs.names import CONFIG, MODEL
from tfvision.system.device import load_tensorflow
from tfvision.system.files import is_pattern
from tfvision.system.shown import Record
from tfvision.system.terminal import in_one_output


@dataclass(frozen=True, repr=False)
class Exported(Record):
    """A SavedModel that agrees with the model it was made from.

    Attributes:
        folder: Folder of its version.
        agreement: How closely it agrees.
        origin: What it was compared with, in words.
    """

    folder: Path
    agreement: Agreement
    origin: str = MODEL

    def remarks(self) -> list[str]:
        """Return where it lies, what it was compared with, and how closely it agrees."""
        found = self.agreement
        same = "" if found.classes is None else f", same class for {found.classes}"
        lines = [
            f"SavedModel: {self.folder}",
            f"compared with {self.origin} in a fresh process on {found.images} images: "
            f"largest difference {found.difference:.1e}{same}",
        ]
        if found.bytes_agreement is not None:
            lines.append(f"serve_bytes (another JPEG decoder): same answer for {found.bytes_agreement:.1%}")
        if is_pattern(self.folder):
            lines.append(
                "TensorFlow itself takes [ * ? in a path for a pattern and finds no variables there: move the folder before "
                "TF Serving or tf.saved_model.load reads it (tfvision does)"
            )
        return lines


@in_one_output
def export(
    run: Run | str | Path, output: str | Path | None = None, *, data: str | Path | None = None, trust: bool = False
) -> Exported:
    """Export a run as a SavedModel that takes raw images, and check it in a fresh process.

    Args:
        run: A run or an ensemble, or its folder.
        output: The folder of the SavedModel's versions; default `saved_models/<run>`. Each export adds a version.
        data: Images to compare on; default up to 400 of the run's own, its test images first.
        trust: Load SavedModels among the members of an ensemble even if they might read files or run Python.

    Returns:
        The folder of the new version, and how closely it agrees with the model.

    Raises:
        UsageError: `output` is a run folder.
        DataError: The run did not finish, or there are no images to compare on.
        RunError: Model and SavedModel disagree, or the disk is full; nothing is left behind.
    """
    run = open_run(run)
    _ = run.metrics  # refuses a run that did not finish: nobody knows how good its model is
    folder = Path(output) if output else Path("saved_models") / run.folder.resolve().name
    if (folder / CONFIG).is_file():
        raise UsageError(f"{folder} is a run; a SavedModel goes elsewhere, such as --output saved_models/{folder.name}")
    _refuse_missing_data(run, data)
    load_tensorflow()
    from tfvision.export.checked import export_run

    found = export_run(run, folder, data=str(data) if data else None, trust=trust)
    return Exported(*found, "the ensemble's members" if run.is_ensemble else MODEL)


def _refuse_missing_data(run: Run, data: str | Path | None) -> None:
    """Refuse images to compare on that are gone, before TensorFlow is loaded to read them."""
    compared = str(data) if data else run.config.data
    try:
        refuse_missing_data(compared)
    except DataError as error:
        hint = "" if data else " (to compare on other images than the run's own, give them with --data)"
        raise DataError(f"{error}{hint}") from None
