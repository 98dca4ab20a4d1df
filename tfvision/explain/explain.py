"""What `tfvision explain` does: where a model looked when it said what it said."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tfvision.config.options import from_dict
from tfvision.data.images.imageset import ImageSet
from tfvision.data.options import Source
from tfvision.data.sources.python import Held
from tfvision.errors import UsageError, check_known, listing
from tfvision.evaluation.predictions import Predictions
from tfvision.explain.options import ExplainOptions
from tfvision.explain.overlays import lay_over, spread
from tfvision.plots.png import write_png
from tfvision.prediction.answers import predict_images
from tfvision.prediction.images import read_given_images
from tfvision.prediction.predictors import KerasPredictor
from tfvision.prediction.stored import find_model
from tfvision.runs.folder import making_alone
from tfvision.system.files import appearing, below, write_json
from tfvision.system.shown import Shown
from tfvision.system.terminal import ProgressLine, console, in_one_output
from tfvision.tasks import has_classes

if TYPE_CHECKING:
    import keras

_BATCH = 32
_BY_MAPS = ("layer", "stages")  # those that need feature maps
_SOURCE = set(Source.__dataclass_fields__)
EXPLANATIONS, SHEET = "explain.json", "sheet.png"


@dataclass(frozen=True, repr=False)
class Explanations(Shown):
    """Where a model looked.

    Attributes:
        ids: The images.
        pixels: uint8 (n, height, width, channels), the images as the model saw them.
        maps: float32 (n, height, width), 0..1: where an image speaks most for its class, 1.
        classes: The class that is explained, for each image; "box" for a model that finds boxes alone.
        probabilities: float64 (n,), that of the class; NaN without classes.
        method: A key of `EXPLAIN_METHODS`.
        layers: The operations whose feature maps were used; none where the pixels themselves were.
        notes: What a user should know.
    """

    ids: tuple[str, ...]
    pixels: np.ndarray
    maps: np.ndarray
    classes: tuple[str, ...]
    probabilities: np.ndarray
    method: str
    layers: tuple[str, ...]
    notes: tuple[str, ...] = ()

    drawn_by: ClassVar[str] = "explanations"

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Explanations({len(self):,} images by {self.method}{self.where}: {listing(self.captions(), 3)})"

    @property
    def where(self) -> str:
        """` from LAYER` where the maps come from a single one."""
        return f" from {self.layers[0]}" if len(self.layers) == 1 else ""

    def captions(self) -> list[str]:
        """Return the class and its probability for each image."""
        return [
            name if np.isnan(share) else f"{name} {share:.1%}"
            for name, share in zip(self.classes, self.probabilities, strict=True)
        ]

    def overlays(self) -> list[np.ndarray]:
        """Return each image with its map laid over it, uint8 (height, width, 3)."""
        return [lay_over(image, heat) for image, heat in zip(self.pixels, self.maps, strict=True)]


@in_one_output
def explain(
    model: "str | Path | keras.Model",
    images: "str | Path | Held | ImageSet",
    *,
    output: str | Path | None = None,
    **options: Any,
) -> Explanations:
    """Say where a model looked: a map over each image, high where it speaks for the class.

    Args:
        model: A run folder or a `.keras` file of a run.
        images: An image or a list of them, a folder or .zip of images, a CSV that lists them, arrays, or a set of images;
            labels are ignored.
        output: A folder to write to: each image with its map laid over it, `sheet.png` with the first ones, `explain.json`.
        **options: `method` (`fused_layercam`, the default, `layercam`, `gradcam`, `gradcam++`, `attention`, the default of
            transformers, `occlusion`, `integrated_gradients`,
            `scorecam`), `target` (a class), `layer`, `limit`; and how images are read, see `predict`.

    Returns:
        The maps and the images they belong to.

    Raises:
        UsageError: An unknown option, class or layer, an ensemble or a SavedModel, or a folder that exists already.
        DataError: No such model or images.
        RunError: A file cannot be written.
    """
    source = from_dict(Source, {name: value for name, value in options.items() if name in _SOURCE})
    chosen = from_dict(ExplainOptions, {name: value for name, value in options.items() if name not in _SOURCE})
    with nullcontext() if output is None else making_alone(Path(output)):
        return _explain(model, images, source, chosen, None if output is None else Path(output))


def _explain(
    model: "str | Path | keras.Model",
    images: "str | Path | Held | ImageSet",
    source: Source,
    chosen: ExplainOptions,
    output: Path | None,
) -> Explanations:
    stored = find_model(model)
    if stored.is_ensemble or stored.file.suffix != ".keras":
        raise UsageError(f"{model} is no single Keras model; explain a run folder, of an ensemble one of its members")
    if chosen.target is not None and has_classes(stored.facts.task):
        check_known("class", chosen.target, stored.facts.class_names)
    opened = read_given_images(images, stored.facts, source, labelled=False)
    opened = opened if chosen.limit is None else opened[: chosen.limit]
    predictor = stored.load()
    assert isinstance(predictor, KerasPredictor)  # the others are refused above
    found = explain_images(predictor, opened, chosen)
    for note in found.notes:
        console.print(note)
    if output is not None:
        with appearing(output) as folder:
            write_explanations(found, folder)
        console.print(f"written: {output}")
    return found


def explain_images(
    predictor: KerasPredictor, images: ImageSet, options: ExplainOptions, answers: Predictions | None = None
) -> Explanations:
    """Explain what a loaded model says about images.

    Args:
        predictor: The model.
        images: The images.
        options: How is explained.
        answers: What the model says about the images, if that is known already.

    Returns:
        The explanations.

    Raises:
        UsageError: An unknown layer, or a model without feature maps.
        DataError: An image is unreadable.
    """
    from tfvision.data.batches.pipeline import load_images
    from tfvision.explain.graph import split_for_explaining
    from tfvision.explain.methods import EXPLAIN_METHODS, explain_pixels

    facts = predictor.facts
    name = options.method or _default_method(predictor.model, options.layer)
    method = EXPLAIN_METHODS[name]
    model = split_for_explaining(predictor.model, options.layer, by_maps=method.draws_on in _BY_MAPS)
    used = {"layer": (model.maps.layer,), "stages": tuple(stage.layer for stage in model.stages)}.get(
        method.draws_on, ()
    )
    notes = []
    if method.draws_on == "layer" and model.maps.is_small:
        notes.append(
            f"{model.maps.layer} has only {model.maps.height} x {model.maps.width} places, and no layer has more"
        )
    named = has_classes(facts.task)
    targets, shares = np.zeros(len(images), np.int64), np.full(len(images), np.nan)
    if named:
        answers = answers or predict_images(predictor, images)
        targets = answers.predicted
        if options.target is not None:
            targets = np.full(len(images), facts.class_names.index(options.target))
        shares = answers.probabilities[np.arange(len(images)), targets]
    pixels, maps = [], []
    with ProgressLine(f"explaining by {method.title}", len(images)) as line:
        for start in range(0, len(images), _BATCH):
            chosen = np.arange(start, min(start + _BATCH, len(images)))
            shown = load_images(images, chosen, facts.resize)
            found = explain_pixels(model, name, shown.astype(np.float32), targets[chosen])
            pixels.append(shown)
            maps += [spread(heat, *shown.shape[1:3]) for heat in found]
            line.report(int(chosen[-1]) + 1)
    flat = sum(not heat.any() for heat in maps)
    if flat:
        notes.append(f"of {flat:,} images nothing speaks for the class by this method: their maps are 0 everywhere")
    return Explanations(
        ids=images.ids,
        pixels=np.concatenate(pixels),
        maps=np.stack(maps),
        classes=tuple(facts.class_names[k] if named else "box" for k in targets),
        probabilities=shares,
        method=name,
        layers=used,
        notes=tuple(notes),
    )


def _default_method(model: "keras.Model", layer: str | None) -> str:
    from tfvision.explain.graph import attends_to_places

    if layer is not None:
        return "layercam"  # of one layer; the others do not ask for any, or ask less of it
    return "attention" if attends_to_places(model) else "fused_layercam"


def write_explanations(found: Explanations, folder: Path) -> None:
    """Write the overlays, the sheet and the table.

    Args:
        found: The explanations.
        folder: Where to.

    Raises:
        WriteError: A file cannot be written.
    """
    from tfvision.plots.image_grid import plot_image_grid  # with matplotlib

    overlays = found.overlays()
    for name, image in zip(found.ids, overlays, strict=True):
        write_png(image, below(folder / "images", name).with_suffix(".png"))
    rows: list[Mapping[str, Any]] = [
        {"id": name, "class": what, "probability": None if np.isnan(share) else float(share)}
        for name, what, share in zip(found.ids, found.classes, found.probabilities, strict=True)
    ]
    write_json(
        folder / EXPLANATIONS,
        {"method": found.method, "layers": list(found.layers), "notes": found.notes, "images": rows},
    )
    first = range(min(len(found), 24))
    shown = [picture for k in first for picture in (found.pixels[k], overlays[k])]
    captions = [text for k in first for text in (found.ids[k], found.captions()[k])]
    plot_image_grid(shown, captions, "Where the model looked, and for which class", folder / SHEET, columns=8)
