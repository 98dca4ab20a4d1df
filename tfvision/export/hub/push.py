"""What `tfvision push` does: put a finished run on a hub, with its card, without images and paths of this machine."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tfvision.errors import DataError, UsageError, worded
from tfvision.runs.folder import Run, open_run
from tfvision.runs.names import PREDICTIONS
from tfvision.system.shown import Shown
from tfvision.system.terminal import console, in_one_output, size_text, waiting

if TYPE_CHECKING:
    from tfvision.export.hub.contents import HubFile

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, repr=False)
class Pushed(Shown):
    """A run on a hub, or what would go there.

    Attributes:
        repo: The repository.
        files: What went there.
        url: The address of the commit; "" after a dry run.
        notes: What a user should know.
    """

    repo: str
    files: "tuple[HubFile, ...]"
    url: str = ""
    notes: tuple[str, ...] = ()

    drawn_by: ClassVar[str] = "pushed"

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(each.size for each in self.files)

    def __repr__(self) -> str:
        return f"Pushed({self.headline})"

    @property
    def headline(self) -> str:
        """What happened, as a line."""
        count = f"{len(self.files)} files, {size_text(self.size)}"
        return f"{count}: {self.url}" if self.url else f"dry run: {count} would go to {self.repo}; nothing was uploaded"

    def describe(self) -> str:
        """Return a line for each file and note."""
        return "\n".join([*(each.describe() for each in self.files), *self.notes])


@in_one_output
def push(
    run: Run | str | Path,
    repo: str,
    *,
    private: bool = False,
    revision: str | None = None,
    message: str | None = None,
    license: str = "",
    export: bool = False,
    saved_model: str | Path | None = None,
    dry_run: bool = False,
    trust: bool = False,
) -> Pushed:
    """Push a finished run to the Hugging Face hub, or to one that HF_ENDPOINT names: card, model, predictions and scores.

    The card becomes the README of the repository. Neither images nor pictures that show them go along, and absolute paths
    are shortened to their last names. The files of another push stay in the repository unless they have the same names.

    Args:
        run: A finished run or an ensemble, or its folder.
        repo: The repository, `OWNER/NAME`; made if it is missing.
        private: Make the repository private. One that exists must be private already.
        revision: The branch; made if it is missing. Default the main one.
        message: What the commit says.
        license: Identifier of the licence of the model, such as `apache-2.0`, for its card.
        export: Export a SavedModel first, and push it too.
        saved_model: Folder of the SavedModel's versions; default `saved_models/<run>`. The newest is pushed if it was
            exported from the run as it is now.
        dry_run: Return what would go, and upload nothing.
        trust: With `export`, see `tfvision.export`.

    Returns:
        The files, and the address of the commit.

    Raises:
        UsageError: `repo` is no name of a repository, huggingface_hub is not installed, or there is no token.
        DataError: There is no such run, it is unfinished, or an ensemble has no SavedModel.
        RunError: The hub cannot be reached, or refuses.
    """
    if not _REPOSITORY.fullmatch(repo):
        raise UsageError(f"{worded(repo)} is no repository; expected OWNER/NAME, such as me/{Path(run).resolve().name}")
    run = _finished(run)
    # What reads and shows images is imported after the run was checked, so that a mistake costs half a second.
    from tfvision.export.hub.client import require_token, upload
    from tfvision.export.hub.contents import find_saved_model, hub_files

    token = "" if dry_run else require_token()
    folder = Path(saved_model) if saved_model else Path("saved_models") / run.folder.resolve().name
    if export and not dry_run:
        console.print(f"exporting {run.folder}")
        from tfvision.export.export import export as export_model

        export_model(run, folder, trust=trust)
    version, why = find_saved_model(run, folder)
    if version is None and run.is_ensemble and not (export and dry_run):
        raise DataError(f"{run.folder} is an ensemble, whose one model is a SavedModel: {why}; make it with --export")
    files, notes = hub_files(run, repo, version, license)
    if version is None:
        notes.append(_without_saved_model(why, export))
    if dry_run:
        return Pushed(repo, tuple(files), notes=tuple(notes))
    with waiting(f"pushing to {repo}"):
        said = message or f"Push {run.folder.resolve().name} by tfvision"
        url = upload(files, repo, token=token, private=private, revision=revision, message=said)
    return Pushed(repo, tuple(files), url, tuple(notes))


def _finished(run: Run | str | Path) -> Run:
    """Open a run that has scores and predictions, which is known before anything heavy is imported."""
    run = open_run(run)
    _ = run.metrics  # raises for an unfinished run, and says how to finish it
    if not (run.folder / PREDICTIONS).is_file():
        raise DataError(f"{run.folder} has no {PREDICTIONS}, which every figure of its card comes from; train it again")
    return run


def _without_saved_model(why: str, export: bool) -> str:
    if export:
        return "--export would make saved_model/ and add it"
    return f"without a SavedModel: {why}; --export makes one"
