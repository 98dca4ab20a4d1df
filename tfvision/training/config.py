"""The configuration of a training: every option of `tfvision train`."""

from dataclasses import dataclass
from typing import Literal

from tfvision.config.options import option
from tfvision.data.augmentation.options import Augmentation, check_boxes_stay_whole
from tfvision.data.options import ResizeOptions, Source, SplitOptions
from tfvision.errors import UsageError
from tfvision.evaluation.score_names import column_of
from tfvision.models.options import BoxOptions, HeadOptions, SmallCnnOptions
from tfvision.tasks import Task, has_boxes, has_classes
from tfvision.training.options import Phase, PseudoLabelOptions, ShallowOptions, check_views


@dataclass
class TrainConfig:
    """Options of `tfvision train`."""

    task: Task = option("classify", "what the model is to say: the class of an image, one box in it, or both")
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
    split: SplitOptions = option(SplitOptions, "how images are divided")
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


def check_task(config: TrainConfig) -> None:
    """Refuse options that mean nothing for a task.

    Raises:
        UsageError: With what to do instead.
    """
    task, monitor, balance = config.task, config.monitor, config.balance
    measured = column_of(monitor).of
    if measured == "boxes" and not has_boxes(task):
        raise UsageError(f"monitor: {monitor} is of boxes, and task {task} has none; use val_loss, or --task localize")
    if measured == "classes" and not has_classes(task):
        raise UsageError(f"monitor: {monitor} is of classes, and task {task} has none; use val_loss or val_iou")
    if balance != "none" and (not has_classes(task) or (has_boxes(task) and balance == "class_weights")):
        instead = "none or oversample" if has_classes(task) else "none"
        raise UsageError(f"balance: {balance} does not go with task {task}; use {instead}")
    if has_boxes(task) and any(phase.solver != "gradient" for phase in config.phases or []):
        raise UsageError(f"solver: logistic_regression finds classes, not the boxes of task {task}; use gradient")
    check_boxes_stay_whole(config.augment, task)
