"""The model card of a run: the facts about it in one Markdown file (Mitchell et al., "Model Cards", FAT* 2019)."""

from pathlib import Path

from tfvision.report.box_story import tell_run
from tfvision.report.card.data import data_name, data_section
from tfvision.report.card.front_matter import front_matter
from tfvision.report.card.later import later_sections
from tfvision.report.card.limits import asked_task, limits_section
from tfvision.report.card.markdown import plain_text, section
from tfvision.report.card.model import licence_of_weights, model_section
from tfvision.report.card.scores import score_sections
from tfvision.report.card.using import reproduction_section, use_section
from tfvision.report.folder import RunFiles
from tfvision.report.story import headline_part
from tfvision.runs.names import CARD
from tfvision.system.files import write_text
from tfvision.system.local_paths import shorten_paths
from tfvision.tasks import has_boxes
from tfvision.version import __version__


def write_card(files: RunFiles) -> Path:
    """Write `MODEL_CARD.md` into the run folder.

    Args:
        files: The files of the run.

    Returns:
        The path of the card.

    Raises:
        WriteError: It cannot be written.
    """
    path = files.folder / CARD
    write_text(path, render_card(files))
    return path


def render_card(files: RunFiles, *, repo: str = "", licence: str = "", saved_model: bool = False) -> str:
    """Return the card: only what the files of the run tell, without paths of this machine.

    Args:
        files: The files of the run; what is missing is left out.
        repo: The repository of a hub in which the card is to stand, such as `me/cells`; "" for the run folder.
        licence: Identifier of the licence of the model, such as `apache-2.0`; "" if none is stated.
        saved_model: Whether a SavedModel lies beside the card, in `saved_model/`.

    Returns:
        Markdown with YAML front matter.
    """
    title = f"# {plain_text(_title(files))}"
    part = headline_part(files.metrics)
    if part is None:
        return f"{title}\n\nThis folder holds no scores yet.\n"
    told = [
        front_matter(files, part, name=repo.rpartition("/")[2] or files.folder.resolve().name, licence=licence),
        title,
        _lead(files),
        limits_section(files, part),
        score_sections(files, part),
        data_section(files),
        model_section(files),
        *later_sections(files),
        _licences(files, licence),
        use_section(files, repo, saved_model),
        reproduction_section(files, repo),
        f"Written by tfvision {__version__} from the files of the run.",
    ]
    # Members, teachers and notes may name files of this machine, wherever they stand.
    text, _ = shorten_paths("\n\n".join(piece for piece in told if piece), str(files.config.get("data") or ""))
    return f"{text}\n"


def _title(files: RunFiles) -> str:
    data = data_name(files)
    if files.ensemble:
        return f"Ensemble of {len(files.ensemble.get('member_scores', ()))} on {data}"
    backbone = shorten_paths(str(files.config.get("backbone") or "model"))[0]
    kind = f"{files.config['classifier']} on features of {backbone}" if files.config.get("classifier") else backbone
    return f"{kind} on {data}"


def _lead(files: RunFiles) -> str:
    story = tell_run(files.metrics)
    date = str(files.environment.get("date") or "").partition(" ")[0]
    task = "A model that finds one box in each image" if has_boxes(asked_task(files)) else "An image classifier"
    made = f", {'combined' if files.ensemble else 'trained'} on {date}" if date else ""
    return f"{task}{made}. **{story['figure']}** {plain_text(story['headline'])} " + " ".join(
        map(plain_text, story["remarks"])
    )


def _licences(files: RunFiles, licence: str) -> str:
    own = f"This model: {plain_text(licence)}." if licence else "A licence of this model is not stated."
    weights = licence_of_weights(files)
    if files.ensemble:
        weights = "Licences of the weights that its members began with stand in their own cards."
    data = f"The licence of the data {plain_text(data_name(files))} is not known to tfvision."
    return section("Licences", " ".join(piece for piece in (own, weights, data) if piece))
