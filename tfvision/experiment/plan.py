"""The plan of a run: what is trained on what, to be read before it starts."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfvision.data.augmentation.options import Augmentation
from tfvision.data.images.imageset import ImageSet
from tfvision.evaluation.score_names import LAST_EPOCH
from tfvision.experiment.defending import describe_defence
from tfvision.experiment.resolving import phases_of
from tfvision.models.heads.heads import HEAD
from tfvision.tasks import has_boxes, has_classes
from tfvision.training.config import TrainConfig
from tfvision.training.options import Phase
from tfvision.training.phases import describe_augmentation, describe_phase

if TYPE_CHECKING:
    import keras

    from tfvision.models.model_file import ModelFacts


_ENGINE_NOTES = {
    "keras_cv": "RandAugment by keras_cv ignores the seed: this run cannot be repeated exactly",
    "keras": "RandAugment by keras processes images one by one, to be repeatable: expect it to be slow",
}


def describe_plan(
    model: "keras.Model",
    parts: Mapping[str, ImageSet],
    config: TrainConfig,
    facts: "ModelFacts",
    notes: Sequence[str],
) -> str:
    """Return the plan as aligned lines.

    Args:
        model: The built model; its trainable parameters are counted for each phase, and it is left as it was.
        parts: Images of each part.
        config: Resolved options.
        facts: Class names and resize.
        notes: Lines about the data.

    Returns:
        Text of several lines.
    """
    last_epoch = config.monitor == LAST_EPOCH
    lines = [
        ("data", f"{config.data}: {', '.join(f'{len(images):,} {part}' for part, images in parts.items())}"),
        ("classes", _classes(parts["train"], config.task)),
        *([("box", _boxes(config))] if has_boxes(config.task) else []),
        *(("", note) for note in notes),
        ("images", _images(model, config, facts)),
        ("augment", describe_augmentation(config.augment, phases_of(config))),
        *([("", note)] if (note := engine_note(config.augment)) else []),
        *([("", note) for note in _box_notes(config)]),
        *([("balance", config.balance)] if config.balance != "none" else []),
        *(("" if number else "defence", line) for number, line in enumerate(describe_defence(config))),
        ("model", f"{config.backbone}, weights {config.weights}, {model.count_params():,} parameters"),
        *(_classifier(model, config, config.classifier) if config.classifier else _phases(model, config)),
        (
            "keeps" if last_epoch else "best by",
            f"{'the last epoch' if last_epoch else config.monitor}; seed {config.seed}, batches of {config.images_a_step}",
        ),
    ]
    width = max(9, *(len(name) for name, _ in lines))
    return "\n".join(f"{name:<{width}} {text}" for name, text in lines)


def _boxes(config: TrainConfig) -> str:
    cells = f"from averages over {config.box.grid}x{config.box.grid} cells"
    head = {"pooled": "from the pooled features", "grid": cells, "spatial": "from a map for each side"}[config.box.head]
    loss = (
        f"{config.box.loss.replace('_', ' ')}, beta {config.box.beta:g}" if "l1" in config.box.loss else config.box.loss
    )
    return f"one in each image, {head}; loss {loss}"


def _box_notes(config: TrainConfig) -> list[str]:
    """Say how boxes limit the augmentation that was asked for."""
    if not has_boxes(config.task):
        return []
    options = config.augment
    moved = any((options.rotation, options.shift, options.zoom, options.shear, options.crop))
    notes = ["pixels beyond the border are black: a mirrored object would lie outside its box"] if moved else []
    return notes + (
        ["RandAugment changes only colours, so that boxes stay where they are"] if options.rand_magnitude else []
    )


def engine_note(augmentation: Augmentation) -> str | None:
    """Return what a user of a library's RandAugment needs to know, in one line, or None for our own."""
    return _ENGINE_NOTES.get(augmentation.engine) if augmentation.rand_magnitude else None


def summarize(model: "keras.Model") -> str:
    """Return the layers as a table; `model.summary()` cuts names at 80 columns where there is no terminal."""
    rows = [("layer", "type", "output", "parameters")]
    rows += [(x.name, type(x).__name__, str(x.output.shape), f"{x.count_params():,}") for x in model.layers]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "".join(f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:<{widths[2]}}  {d:>{widths[3]}}\n" for a, b, c, d in rows)


def _phases(model: "keras.Model", config: TrainConfig) -> list[tuple[str, str]]:
    from tfvision.models.cut import cut_model, describe_cut
    from tfvision.models.freezing import count_parameters, open_layers, trains_batch_norm

    batch_norm = trains_batch_norm(model)
    was = [layer.trainable for layer in model.layers]
    lines = []
    for number, phase in enumerate(phases_of(config), start=1):
        open_layers(model, phase.unfreeze, batch_norm=batch_norm)
        trainable = count_parameters(model).trainable
        lines.append((f"phase {number}", f"{describe_phase(phase, config.optimizer)} ({trainable:,} trainable)"))
        if cut := cut_model(model):
            lines.append(("", f"{describe_cut(cut)}, {_describe_views(phase, config)}"))
    for layer, trainable in zip(model.layers, was, strict=True):
        layer.trainable = trainable
    return lines


def _describe_views(phase: Phase, config: TrainConfig) -> str:
    """Say how often the features of a frozen trunk are computed."""
    if config.adversarial.changes_pixels:
        return "computed in each step, for pixels that the defence has changed (views: fresh)"
    if phase.views == "fresh":
        return "computed in each epoch, for new augmentation (views: fresh)"
    if config.cache == "none":
        return "computed in each epoch (cache: none)"
    views = "" if phase.views == "exact" else f" for {phase.views} fixed views of each image"
    return f"features computed once{views}"


def _classifier(model: "keras.Model", config: TrainConfig, names: str) -> list[tuple[str, str]]:
    width, options = model.get_layer(f"{HEAD}pool").output.shape[-1], config.shallow
    kept = f", {options.pca:,} principal components" if options.pca else ""
    features = f"{width:,} features of the frozen backbone ({config.head.pooling} pooling){kept}"
    return [("classifier", f"{names.replace(',', ', ')} on {features}")]


def _classes(images: ImageSet, task: str) -> str:
    counts = np.bincount(images.labels, minlength=len(images.class_names))
    shown = [f"{name} {count:,}" for name, count in zip(images.class_names, counts, strict=True)]
    text = f"{len(shown)} ({', '.join(shown[:12])}{', ...' if len(shown) > 12 else ''} for training)"
    if not has_classes(task):
        return f"{text}; used to stratify the split, not learned"
    return text + (f"; positive: {images.class_names[1]}" if len(shown) == 2 else "")


def _images(model: "keras.Model", config: TrainConfig, facts: "ModelFacts") -> str:
    resize = facts.resize
    text = f"resized to {resize.width}x{resize.height} px ({resize.mode}, {resize.kernel})"
    if config.image_size and config.image_size != resize.width:
        text += f", enlarged to {config.image_size}x{config.image_size} inside the model"
    return text + (", gray: 1 channel" if resize.channels == 1 else "")
