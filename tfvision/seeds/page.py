"""The report of several seeds: how the scores spread, and every run."""

from pathlib import Path
from typing import TYPE_CHECKING

from tfvision.config.yaml import to_yaml
from tfvision.evaluation.spread import score_of
from tfvision.report.template import page_template
from tfvision.runs.names import REPORT
from tfvision.runs.seeds import seed_folder
from tfvision.seeds.given import listed
from tfvision.system.environment import describe_environment
from tfvision.system.files import write_text
from tfvision.version import __version__

if TYPE_CHECKING:
    from tfvision.seeds.scores import SeedScores
    from tfvision.training.config import TrainConfig


def write_seeds_report(found: "SeedScores", config: "TrainConfig") -> Path:
    """Write `report.html` into the folder of the seeds.

    Args:
        found: The scores.
        config: The options of the first run.

    Returns:
        The path of the page. It links to the reports of the runs, and needs no network.
    """
    names, main = found.names, next(iter(found.names))
    spread, (worst, worst_seed) = found.spread(main), found.worst(main)
    rows = []
    for seed, scores in zip(found.seeds, found.scores, strict=True):
        cells = [f"{score_of(scores, name):.4f}" for name in names]
        report = (seed_folder(found.folder, seed) / REPORT).relative_to(found.folder).as_posix()
        rows.append({"seed": seed, "n": f"{scores['n']:,}", "scores": cells, "report": report})
    page = page_template("seeds.html", "seeds").render(
        title=f"{len(found.seeds)} seeds on {Path(config.data).name}",
        figure=f"{spread.mean:.4f}",
        headline=f"is the {names[main]} of {config.backbone}, averaged over {len(found.seeds)} seeds, ± {spread.std:.4f}.",
        remarks=[
            f"The worst seed, {worst_seed}, has {worst:.4f}.",
            _images(found),
            "The deviation is over the seeds (n - 1): of another run expect a score about that far from the mean.",
        ],
        names=list(names.values()),
        summary=[
            ("mean", [f"{found.spread(name).mean:.4f}" for name in names]),
            ("± std", [f"{found.spread(name).std:.4f}" for name in names]),
            ("worst", [f"{found.worst(name)[0]:.4f}" for name in names]),
        ],
        rows=rows,
        part=found.part,
        seeds=listed(found.seeds),
        command=describe_environment().get("command") or "",
        config_text=to_yaml(config),
        folder=found.folder.as_posix(),
        version=__version__,
    )
    write_text(found.folder / REPORT, page)
    return found.folder / REPORT


def _images(found: "SeedScores") -> str:
    if found.same_images:
        return f"All seeds are scored on the same {found.sizes} {found.part} images: the deviation is that of training alone."
    return (
        f"Each seed drew its own split, with {found.sizes} {found.part} images: the deviation is that of training and of the "
        "images drawn."
    )
