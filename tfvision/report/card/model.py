"""The model of a card: backbone, head, how it was trained, and on what kind of image it works."""

from tfvision.models.backbones.families import HUB
from tfvision.models.backbones.licences import weights_licence
from tfvision.models.backbones.table import BACKBONES
from tfvision.models.options import BoxOptions, HeadOptions
from tfvision.report.captions import captions
from tfvision.report.card.markdown import bullets, code, facts, plain_text, section
from tfvision.report.card.options import augmentation_in_words, config_of
from tfvision.report.folder import RunFiles
from tfvision.report.words import describe_section, plain
from tfvision.system.local_paths import shorten_paths
from tfvision.tasks import has_boxes, has_classes
from tfvision.training.config import TrainConfig
from tfvision.training.phases import augmented_phases, describe_phase

_RESIZED = {
    "stretch": "stretched to",
    "crop": "the largest centred square shrunk or enlarged to",
    "pad": "fitted with a border into",
}
_POOLING = {"avg": "average pooling", "max": "maximum pooling", "flatten": "feature maps flattened"}
_BOX_LOSS = {"smooth_l1": "Smooth L1", "giou": "generalized IoU", "smooth_l1+giou": "Smooth L1 and generalized IoU"}
_CURVES = "plots/learning_curves.svg"


def model_section(files: RunFiles) -> str:
    """Return the section on the model of a run and its training, as Markdown; nothing without its options."""
    config = config_of(files)
    if config is None:
        return ""
    rows = [
        ("backbone", _backbone(config)),
        ("weights at the start", _weights(config)),
        ("head", _head(files, config)),
        ("input", _input(config)),
        *([("parameters", size)] if (size := _parameters(files)) else []),
        *_settings(config),
    ]
    return section("Model and training", facts(rows), _phases(files, config), _augmentation(config), _curves(files))


def licence_of_weights(files: RunFiles) -> str:
    """Return what is known of the licence of the weights that the training began with; nothing of an ensemble."""
    config = config_of(files)
    if config is None:
        return ""
    return weights_licence(config.backbone, _family(config.backbone), config.weights)


def _family(backbone: str) -> str:
    return BACKBONES[backbone].family if backbone in BACKBONES else ""


def _backbone(config: TrainConfig) -> str:
    name = shorten_paths(config.backbone)[0]
    if name.startswith(HUB):
        return f"{code(name)}, a preset of KerasHub"
    family = _family(config.backbone)
    return f"{code(name)}, of the family {family}" if family else f"{code(name)}, handed over from Python"


def _weights(config: TrainConfig) -> str:
    known = {"imagenet": "ImageNet", "none": "none: trained from scratch"}
    if config.backbone.startswith(HUB) and config.weights == "imagenet":
        return "those of the preset"
    return known.get(config.weights) or f"from {code(shorten_paths(config.weights)[0])}"


def _head(files: RunFiles, config: TrainConfig) -> str:
    if config.classifier:
        chosen = next((line for line in files.summary.splitlines() if line.startswith("chosen ")), "")
        kept = f" ({plain_text(chosen.removeprefix('chosen'))})" if chosen else ""
        return (
            f"{config.classifier.replace('_', ' ')} on features of the backbone, {_POOLING[config.head.pooling]}{kept}"
        )
    classes = [_class_head(config.head)] if has_classes(config.task) else []
    return "; ".join([*classes, *([_box_head(config.box)] if has_boxes(config.task) else [])])


def _class_head(head: HeadOptions) -> str:
    hidden = f", hidden layers of {plain(head.units)} units ({head.activation})" if head.units else ""
    dropout = f", dropout {plain(head.dropout)}" if head.dropout else ""
    return f"{_POOLING[head.pooling]}{hidden}{dropout}, one dense layer for the classes"


def _box_head(box: BoxOptions) -> str:
    kind = {"pooled": "from the pooled features", "spatial": "from a map for each of its sides (soft-argmax)"}
    where = kind.get(box.head, f"from averages over {box.grid}x{box.grid} cells")
    return f"one box, {where}; loss {_BOX_LOSS[box.loss]}"


def _input(config: TrainConfig) -> str:
    side, mode = config.image_size, config.resize.mode
    how = f"{_RESIZED[mode]} " if mode else ""
    channels = "gray" if config.channels == 1 else "RGB"
    return f"{how}{side}x{side} px, {channels}, values 0 to 255; its scaling for the backbone is a part of the model"


def _parameters(files: RunFiles) -> str:
    """Return the number of parameters that the plan of the run states."""
    line = next((line for line in files.summary.splitlines() if line.startswith("model ")), "")
    return line.rpartition(", ")[2].removesuffix(" parameters") if line.endswith(" parameters") else ""


def _settings(config: TrainConfig) -> list[tuple[str, str]]:
    shown = [("seed", plain(config.seed))]
    if config.classifier:
        return shown
    shown = [("batch size", plain(config.images_a_step)), *shown]
    if config.loss != "cross_entropy":
        shown.append(("loss", f"focal, gamma {plain(config.focal_gamma)}"))
    for name in ("weight_decay", "label_smoothing", "ema", "clip_norm"):
        if getattr(config, name):
            shown.append((name.replace("_", " "), plain(getattr(config, name))))
    if config.balance != "none":
        shown.append(("unequal classes", config.balance.replace("_", " ")))
    if config.adversarial.attack != "none":
        shown.append(("defence", plain_text(describe_section(vars(config.adversarial)))))
    if config.distill.teacher:
        shown.append(("teacher", code(shorten_paths(config.distill.teacher)[0])))
    return shown


def _phases(files: RunFiles, config: TrainConfig) -> str:
    if config.classifier or not config.phases:
        return ""
    lines = [plain_text(describe_phase(phase, config.optimizer)) for phase in config.phases]
    kept = captions(None, files.history, config.monitor)["learning_curves"] if len(files.history) > 1 else ""
    return section("Phases", bullets(lines), plain_text(kept), level=3)


def _augmentation(config: TrainConfig) -> str:
    if config.classifier or not config.phases:
        return ""
    lines = [plain_text(line) for line in augmentation_in_words(config.augment)]
    changed = augmented_phases(config.phases)
    if not lines or not changed:
        return section("Changes of training images", "None: training saw each image as it is.", level=3)
    told = bullets(lines)
    if len(changed) < len(config.phases):
        told += f"\n\nIn {plain_text(' and '.join(changed))} only; the other phases saw each image as it is."
    return section("Changes of training images, drawn at random", told, level=3)


def _curves(files: RunFiles) -> str:
    there = files.history and (files.folder / _CURVES).is_file()
    return (
        f"![Loss and scores of training and validation after each epoch]({_CURVES})"
        if there and len(files.history) > 1
        else ""
    )
