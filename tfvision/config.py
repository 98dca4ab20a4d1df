"""Every option of tfvision, declared once: name, type, default and one line of help.

The same declaration serves YAML files, flags, `--help` and `--print_config` (see `tfvision.options`).
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from tfvision.errors import UsageError


def option(default: Any, help: str) -> Any:
    """Declare a dataclass field with its default and its one line of help."""
    if isinstance(default, (list, dict)) or callable(default):
        return field(
            default_factory=default if callable(default) else lambda: type(default)(default), metadata={"help": help}
        )
    return field(default=default, metadata={"help": help})


@dataclass
class Source:
    """How the data is read."""

    file_column: str | None = option(
        None, "CSV column that names the image files, or array of the images; found by name if not given"
    )
    label_column: str | None = option(None, "CSV column or array with the labels; found by name if not given")
    group_column: str | None = option(
        None, "CSV column or array whose equal values never stand in two parts of the split"
    )
    positive_class: str | None = option(None, "the positive one of two classes; default '1' or 'true', else the second")
    pixel_rule: str | None = option(
        None, "how arrays that are no uint8 become 0..255, such as 'float 0..1'; found from their range if not given"
    )
    box_columns: list[str] | None = option(
        None, "four CSV columns of the box: xmin,ymin,xmax,ymax or x,y,width,height; found by name if not given"
    )
    box_unit: Literal["pixels", "relative"] | None = option(
        None, "unit of the boxes in a CSV; found from the numbers if not given"
    )
    several_boxes: Literal["largest", "first", "refuse"] = option(
        "largest", "which box counts where an image has several"
    )
    on_bad: Literal["fail", "skip"] = option(
        "fail", "what to do with unreadable images and wrong boxes: list them and stop, or go on"
    )

    def columns(self) -> dict[str, Any]:
        """Return what `open_images` asks for."""
        return {key: value for key, value in vars(self).items() if key != "on_bad"}


@dataclass
class Split:
    """How images are divided; stratified, from the seed, exact copies kept together."""

    validation: float = option(0.1, "share of the images for validation, 0..1")
    test: float = option(0.1, "share of the images for the test, 0..1")
    file: str | None = option(None, "splits.csv of another run, used instead")
    given: Literal["keep", "ignore"] = option(
        "keep", "keep the train, validation and test parts that the data brings, or draw anew from all images"
    )
    folds: int | None = option(None, "divide all images into so many folds, one of which is the test; see `crossval`")
    fold: int | None = option(None, "which fold is the test, from 1 on")
    held_out: float = option(
        0.0, "with folds: share of the images, 0..0.9, that stands in none of them and on which their models vote"
    )
    group_validation: bool = option(
        True,
        "keep groups apart between training and validation too; without it only from the test: where groups are few, "
        "training keeps images of each",
    )
    group_duplicates: bool = option(
        False, "keep near-duplicates, found by a perceptual hash and verified by their pixels, in one part too"
    )

    def __post_init__(self) -> None:
        if (self.folds is None) != (self.fold is None):
            raise UsageError("split.folds and split.fold belong together: how many, and which one is the test")
        if self.folds is not None and not (self.folds >= 2 and 1 <= self.fold <= self.folds):
            raise UsageError(f"split.fold: expected 1 to split.folds, 2 or more, got fold {self.fold} of {self.folds}")
        if not 0 <= self.held_out <= 0.9:
            raise UsageError(f"split.held_out: expected a share from 0 to 0.9, got {self.held_out}")
        if self.folds is not None and self.file:
            raise UsageError("split.folds draws a split, and split.file gives one; keep one of them")


@dataclass
class ResizeOptions:
    """The one resize, of training, evaluation, prediction and the exported model."""

    kernel: Literal["bilinear", "bicubic", "lanczos3", "area", "nearest"] = option("bilinear", "interpolation kernel")
    antialias: bool = option(True, "low-pass before shrinking")
    mode: Literal["stretch", "crop", "pad"] = option("stretch", "how another aspect ratio becomes a square")


@dataclass(frozen=True)
class Augmentation:
    """Random changes of training images, drawn anew for each image in each epoch; amounts are drawn evenly from -x to x.

    Raises:
        UsageError: An amount out of range.
    """

    horizontal_flip: bool = option(True, "mirror left and right, every second time")
    vertical_flip: bool = option(False, "mirror top and bottom, every second time")
    quarter_turns: bool = option(False, "turn by 0, 90, 180 or 270 degrees (0 or 180 if the image is not square)")
    rotation: float = option(0.0, "turn by up to so many degrees, 0..180")
    shift: float = option(0.0, "move by up to this share of each side, 0..1")
    zoom: float = option(0.0, "enlarge or shrink by up to this share, 0..0.9")
    shear: float = option(0.0, "slant to the left or right by up to so many degrees, 0..60")
    crop: float = option(0.0, "enlarge a window, placed anywhere, whose sides are shorter by up to this share, 0..0.9")
    brightness: float = option(0.0, "add up to this share of 255, 0..1")
    contrast: float = option(0.0, "stretch around the mean by up to this share, 0..1")
    saturation: float = option(0.0, "strengthen or weaken the colours by up to this share, 0..1")
    hue: float = option(0.0, "turn the colour circle by up to this share of it, 0..0.5")
    channel_shift: float = option(0.0, "add up to this share of 255 to each channel on its own, 0..1")
    grayscale: float = option(0.0, "probability of losing all colour, 0..1")
    scale_abs: float = option(0.0, "probability of OpenCV's convertScaleAbs(scale_alpha, scale_beta), 0..1")
    scale_alpha: float = option(1.5, "factor of scale_abs, 0..10")
    scale_beta: float = option(0.0, "what scale_abs adds, -255..255")
    erasing: float = option(0.0, "probability that a rectangle of 2 to 33 % of the image becomes noise, 0..1")
    rand_magnitude: float = option(0.0, "strength of RandAugment, 0..1; 0 is off; with boxes only its colours")
    rand_operations: int = option(2, "operations of RandAugment on each image, 1..10")
    engine: Literal["opencv", "keras_cv", "keras"] = option(
        "opencv",
        "who does RandAugment: tfvision on OpenCV, or the slower layer of a library; keras_cv ignores the seed",
    )
    augmix: float = option(0.0, "severity of AugMix, 0..10 (3 in its paper); 0 is off")
    augmix_width: int = option(3, "chains of operations that AugMix mixes, 1..10")
    augmix_depth: int = option(0, "operations in each chain of AugMix, 1..10; 0 draws 1 to 3")
    augmix_alpha: float = option(1.0, "alpha of the distributions that weigh AugMix's chains and the image, 0.01..100")
    mixup: float = option(0.0, "alpha of MixUp, which blends pairs of a batch and their labels, 0..100; 0 is off")
    cutmix: float = option(
        0.0, "alpha of CutMix, which puts a rectangle of one image into another, 0..100; 0 is off; with mixup by turns"
    )
    fill: Literal["reflect", "constant", "nearest"] = option(
        "reflect", "what stands beyond the border; constant is black, and always taken where there are boxes"
    )

    def __post_init__(self) -> None:
        for name, (lowest, highest) in _AUGMENTATION_RANGES.items():
            if not lowest <= getattr(self, name) <= highest:
                expected = f"expected a number from {lowest:g} to {highest:g}, got {getattr(self, name)}"
                raise UsageError(f"augment.{name}: {expected}")
        if self.mixing and self.rand_magnitude and self.engine != "opencv":
            raise UsageError(
                f"augment.engine {self.engine} takes whole batches, and would change what {self.mixing[0]} has mixed; "
                "leave the engine at opencv"
            )

    @property
    def mixing(self) -> tuple[str, ...]:
        """Those of `mixup` and `cutmix` that are on: they mix images of a batch, all else changes each on its own."""
        return tuple(name for name in _MIXING if getattr(self, name))

    @property
    def active(self) -> dict[str, Any]:
        """The options that change images, by name; not those that belong to one that is off, nor fill."""
        return {
            name: value
            for name, value in vars(self).items()
            if value and name != "fill" and getattr(self, _AUGMENTATION_SWITCHES.get(name, name))
        }

    @property
    def is_empty(self) -> bool:
        """Whether no image is ever changed on its own; pairs may still be mixed."""
        return not self.active.keys() - set(_MIXING)


_MIXING = ("mixup", "cutmix")
_AUGMENTATION_RANGES = {
    "rotation": (0, 180),
    "shift": (0, 1),
    "zoom": (0, 0.9),
    "shear": (0, 60),
    "crop": (0, 0.9),
    "brightness": (0, 1),
    "contrast": (0, 1),
    "saturation": (0, 1),
    "hue": (0, 0.5),
    "channel_shift": (0, 1),
    "grayscale": (0, 1),
    "scale_abs": (0, 1),
    "scale_alpha": (0, 10),
    "scale_beta": (-255, 255),
    "erasing": (0, 1),
    "rand_magnitude": (0, 1),
    "rand_operations": (1, 10),
    "augmix": (0, 10),
    "augmix_width": (1, 10),
    "augmix_depth": (0, 10),
    "augmix_alpha": (0.01, 100),
    "mixup": (0, 100),
    "cutmix": (0, 100),
}
# Options that mean nothing while the one they belong to is off.
_AUGMENTATION_SWITCHES = {
    "scale_alpha": "scale_abs",
    "scale_beta": "scale_abs",
    "rand_operations": "rand_magnitude",
    "engine": "rand_magnitude",
    "augmix_width": "augmix",
    "augmix_depth": "augmix",
    "augmix_alpha": "augmix",
}


@dataclass
class HeadOptions:
    """What stands on top of the backbone."""

    pooling: Literal["avg", "max", "flatten"] = option("avg", "how feature maps become a vector")
    units: list[int] = option([], "units of each hidden dense layer; [] for none")
    activation: str = option("relu", "activation of the hidden dense layers")
    batch_norm: bool = option(False, "batch normalization after each hidden dense layer")
    pool_batch_norm: bool = option(False, "batch normalization between pooling and the first dense layer")
    dropout: float | list[float] = option(0.2, "dropout before the output, or one rate for each hidden layer")


@dataclass
class BoxOptions:
    """The box of the tasks localize and localize+classify."""

    head: Literal["pooled", "grid", "spatial"] = option(
        "spatial", "box from the pooled features and hidden layers, averages over a grid, or a map a side (soft-argmax)"
    )
    grid: int = option(3, "grid head: cells down and across")
    filters: int = option(128, "spatial head: filters of its convolution")
    loss: Literal["smooth_l1", "giou", "smooth_l1+giou"] = option("smooth_l1", "loss of the box")
    beta: float = option(0.1, "Smooth L1: where the parabola becomes a line, as a share of the image's side")
    weight: float = option(1.0, "localize+classify: weight of the box's loss beside the class's")


@dataclass
class ShallowOptions:
    """The shallow classifiers on frozen features (option classifier).

    Raises:
        UsageError: A value out of range.
    """

    pca: int | None = option(None, "keep so many principal components of the standardized features; null for all")
    c: float | None = option(
        None, "inverse strength of the penalty (logistic_regression, linear_svm, svm); null: chosen on validation"
    )
    gamma: float | None = option(None, "width of svm's kernel exp(-gamma d^2); null: 1 / (features x their variance)")
    neighbours: int | None = option(None, "neighbours that vote (knn); null: chosen on validation")
    trees: int = option(100, "trees of random_forest")
    depth: int | None = option(None, "largest depth of a tree; null: 6 for xgboost, none for random_forest")
    rounds: int = option(300, "most rounds of xgboost, one tree a class each; validation stops them earlier")
    rate: float = option(0.2, "learning rate of xgboost")
    columns: float = option(0.2, "share of the features that each tree of xgboost sees, 0..1")
    patience: int = option(10, "stop xgboost after so many rounds without a lower validation log loss")

    def __post_init__(self) -> None:
        whole = ("pca", "neighbours", "trees", "depth", "rounds", "patience")
        ranges = {
            **{name: (getattr(self, name) is None or getattr(self, name) >= 1, "1 or more") for name in whole},
            **{
                name: (getattr(self, name) is None or getattr(self, name) > 0, "more than 0") for name in ("c", "gamma")
            },
            **{name: (0 < getattr(self, name) <= 1, "more than 0, at most 1") for name in ("rate", "columns")},
        }
        for name, (holds, expected) in ranges.items():
            if not holds:
                raise UsageError(f"shallow.{name}: expected {expected}, got {getattr(self, name)}")


@dataclass
class SmallCnnOptions:
    """The small CNN trained from scratch (backbone small_cnn)."""

    filters: list[int] = option([32, 64], "filters of each convolution")
    kernel_size: int = option(5, "side of the convolution kernels in pixels")
    padding: Literal["same", "valid"] = option("same", "zeros beyond the border, or none: maps shrink")
    pools: list[int] | None = option(
        None, "max-pooling after each convolution, 1 for none; default 2 after the last only"
    )


@dataclass
class Phase:
    """A stretch of training with one set of open layers and one learning rate schedule."""

    name: str = option("train", "its name in plan, history and plots")
    solver: Literal["gradient", "logistic_regression"] = option(
        "gradient", "train by epochs, or fit a linear head on frozen features in one pass"
    )
    epochs: int = option(10, "number of epochs")
    learning_rate: float = option(1e-3, "learning rate at its highest")
    schedule: Literal["constant", "cosine", "step", "exponential", "plateau"] = option(
        "constant", "course of the learning rate"
    )
    warmup: float = option(0.0, "epochs of linear warm-up before a cosine schedule")
    hold: int = option(3, "step schedule: epochs at the full learning rate")
    every: int = option(1, "step schedule: epochs between two drops after the hold")
    factor: float = option(0.4, "factor of a step, of each epoch (exponential), or when nothing gets better (plateau)")
    plateau_patience: int = option(3, "plateau schedule: epochs without a better validation score before the factor")
    unfreeze: str = option(
        "all", "open layers of the backbone: none, all, a count (15), a share (30%) or names (block4,block5)"
    )
    patience: int | None = option(None, "stop after so many epochs without a better validation score; null for never")
    views: str | None = option(
        None,
        "which augmented views of an image epochs show: fresh, endless; exact, all that flips and turns can make; or a "
        "number of fixed ones; of a frozen part the last two are computed once; default by a rule",
    )
    pseudo_labels: bool = option(False, "label the unlabelled images first, see pseudo, and train on the sure ones too")
    restart: bool = option(False, "begin from the initial weights, not from the best ones so far")

    def __post_init__(self) -> None:
        check_views(self.views, "views")


def check_views(views: str | None, where: str) -> None:
    """Refuse what is neither `fresh`, `exact` nor a number of views."""
    if views not in (None, "fresh", "exact") and not (views.isdecimal() and int(views) >= 1):
        raise UsageError(f"{where}: expected fresh, exact or a number of views, 1 or more, got {views!r}")


@dataclass
class PseudoLabelOptions:
    """Images without labels, for phases with pseudo_labels."""

    data: str | None = option(None, "images without labels: a folder, .zip, .npy, ...")
    file_column: str | None = option(
        None, "array or CSV column of the images without labels; without pseudo.data it is one of the data itself"
    )
    labels: int | None = option(
        None, "use so many labels of training and validation only; the other training images count as unlabelled"
    )
    thresholds: list[float] | None = option(
        None, "probability from which on an image is kept for each class; default by precision"
    )
    precision: float = option(0.95, "precision on validation that thresholds are chosen for, over 0 and under 1")
    most: int | None = option(None, "at most so many images a class and phase, the surest")
    keep_shares: bool = option(
        True, "add the classes in the shares that they have among the labels, else all that reach"
    )

    def __post_init__(self) -> None:
        ranges = (
            ("labels", self.labels is None or self.labels >= 1, "1 or more, or null"),
            ("precision", 0 < self.precision < 1, "over 0, under 1"),
            ("most", self.most is None or self.most >= 1, "1 or more, or null"),
            ("thresholds", all(0 <= value <= 1 for value in self.thresholds or ()), "numbers from 0 to 1"),
        )
        for key, holds, expected in ranges:
            if not holds:
                raise UsageError(f"pseudo.{key}: expected {expected}, got {getattr(self, key)}")

    def source(self, data: str) -> str | None:
        """Return where the given images without labels are, for a run on `data`; None where none are given."""
        return self.data or (data if self.file_column else None)


@dataclass
class TrainConfig:
    """Options of `tfvision train`."""

    task: Literal["classify", "localize", "localize+classify"] = option(
        "classify", "what the model is to say: the class of an image, one box in it, or both"
    )
    data: str = option(
        "digits", "folder, zip, CSV, .npy, .npz or .h5 of labelled images; digits: scikit-learn's, as an example"
    )
    backbone: str = option(
        "mobilenet_v2", "architecture, see `tfvision list backbones`; or hub/PRESET, an image backbone of KerasHub"
    )
    classifier: str | None = option(
        None,
        "fit on features of the frozen backbone instead of training a head: logistic_regression, linear_svm, svm, "
        "random_forest, xgboost, knn, or several of them (a,b), a run each; null for the neural head",
    )
    weights: str = option("imagenet", "imagenet, none, a weights file without top, or an earlier run of the backbone")
    image_size: int | None = option(None, "side in pixels that the backbone sees; default by the size of the images")
    channels: int | None = option(
        None,
        "channels of the model's input: 1 or 3; default 1 where all images are gray and the backbone is trained from "
        "scratch, else 3",
    )
    epochs: int | None = option(None, "exactly one phase of so many epochs, without early stopping")
    batch_size: int = option(64, "images a step")
    learning_rate: float | None = option(None, "learning rate of the last phase")
    unfreeze: str | None = option(
        None, "open layers of the backbone in the last phase: none, all, 15, 30% or block4,block5"
    )
    seed: int = option(0, "seed of splits, initialization, order, augmentation and dropout")
    output: str | None = option(None, "the run folder; default runs/<data>-<backbone>-<time>")
    optimizer: Literal["adam", "adamw", "lion", "sgd"] = option("adam", "optimizer")
    weight_decay: float = option(0.0, "decoupled weight decay")
    clip_norm: float | None = option(None, "largest norm of all gradients together; null for no clipping")
    ema: float = option(0.0, "average the weights over the steps with this momentum, such as 0.999; 0 for not")
    loss: Literal["cross_entropy", "focal"] = option("cross_entropy", "what is minimized; focal for rare classes")
    focal_gamma: float = option(2.0, "focal loss: how little an easy image counts, 0 or more")
    label_smoothing: float = option(0.0, "share of each label spread over all classes, 0..1")
    monitor: Literal["val_loss", "val_accuracy", "val_f1", "val_iou"] = option(
        "val_loss", "validation score that chooses the best epoch; val_iou is the mean overlap of boxes"
    )
    balance: Literal["none", "oversample", "class_weights"] = option(
        "none", "what is done about unequal classes, in training only"
    )
    train_batch_norm: bool | None = option(
        None, "train the backbone's batch normalization; default only with weights none"
    )
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = option(
        "float32", "numbers the layers compute in; bfloat16 speeds small CNNs up, and slows MobileNetV2 down, on a CPU"
    )
    views: str | None = option(
        None, "views of every phase that names none: fresh, exact, or a number of fixed augmentations of each image"
    )
    cache: Literal["float16", "float32", "none"] = option(
        "float16",
        "how features of the frozen part are stored in the cache folder; none (--no-cache) computes them anew",
    )
    limit: int | None = option(None, "use so many images only, of every class alike; for a quick look")
    tensorboard: bool = option(False, "write scalars for TensorBoard into the run folder")
    source: Source = option(Source, "how the data is read")
    split: Split = option(Split, "how images are divided")
    resize: ResizeOptions = option(ResizeOptions, "the one resize")
    augment: Augmentation = option(Augmentation, "random changes of training images")
    head: HeadOptions = option(HeadOptions, "what stands on top of the backbone")
    box: BoxOptions = option(BoxOptions, "the box of the tasks that ask for one")
    shallow: ShallowOptions = option(ShallowOptions, "the shallow classifiers")
    small_cnn: SmallCnnOptions = option(SmallCnnOptions, "the small CNN")
    pseudo: PseudoLabelOptions = option(PseudoLabelOptions, "images without labels, for phases with pseudo_labels")
    phases: list[Phase] | None = option(
        None, "the phases of training in order, each with these keys; default by the backbone's weights"
    )

    def __post_init__(self) -> None:
        check_views(self.views, "views")
        ranges = (
            ("image_size", self.image_size is None or self.image_size >= 1, "1 or more"),
            ("channels", self.channels in (None, 1, 3), "1 or 3"),
            ("batch_size", self.batch_size >= 1, "1 or more"),
            (
                "batch_size",
                self.batch_size > 1 or not self.augment.mixing,
                "2 or more, since mixup and cutmix mix pairs",
            ),
            ("seed", 0 <= self.seed < 2**32, "0 to 4294967295"),
            ("weight_decay", 0 <= self.weight_decay < 1, "0 to under 1"),
            ("clip_norm", self.clip_norm is None or self.clip_norm > 0, "more than 0, or null"),
            ("ema", 0 <= self.ema < 1, "0 to under 1"),
            ("focal_gamma", self.focal_gamma >= 0, "0 or more"),
            ("limit", self.limit is None or self.limit >= 1, "1 or more, or null"),
            ("label_smoothing", 0 <= self.label_smoothing < 1, "0 to under 1"),
            ("box.grid", self.box.grid >= 1, "1 or more"),
            ("box.filters", self.box.filters >= 1, "1 or more"),
            ("box.beta", self.box.beta > 0, "more than 0"),
            ("box.weight", self.box.weight > 0, "more than 0"),
            ("small_cnn.kernel_size", self.small_cnn.kernel_size >= 1, "1 or more"),
            ("small_cnn.filters", bool(self.small_cnn.filters) and min(self.small_cnn.filters) >= 1, "1 or more each"),
            (
                "small_cnn.pools",
                self.small_cnn.pools is None
                or (len(self.small_cnn.pools) == len(self.small_cnn.filters) and min(self.small_cnn.pools) >= 1),
                "1 or more for each convolution",
            ),
        )
        for key, holds, expected in ranges:
            if not holds:
                section, _, name = key.rpartition(".")
                value = getattr(getattr(self, section) if section else self, name)
                raise UsageError(f"{key}: expected {expected}, got {value}")


@dataclass
class DuplicateOptions:
    """When two images are copies of one another; each pair is verified by its pixels.

    Copies under JPEG 80 or a shift by a pixel of 64 differ in up to 10 of 64 bits, other images in about 32. The fine
    detail of different images correlates up to 0.3, that of crops which overlap up to 0.6, of copies 0.8 or more; in
    smooth or dull images, where re-encoding is most of the detail, 0.4.
    """

    hash_distance: int = option(
        10,
        "bits of 64 in which perceptual hashes may differ for two images to be compared; more for tiny images, slower",
    )
    detail: float = option(0.75, "copies: least correlation of what is finer than 3 pixels, after alignment, -1..1")
    correlation: float = option(
        0.9, "copies: and least correlation of all pixels; a picture blended into both has less"
    )
    residual: float = option(6.0, "or their difference is no more than re-encoding makes, in gray levels (RMS)")
    dull_detail: float = option(0.35, "and then least correlation of fine detail")
    shift: int = option(2, "pixels that a copy may be shifted")
    flips: bool = option(True, "find mirrored and turned copies too")
