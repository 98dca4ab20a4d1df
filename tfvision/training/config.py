"""The configuration of a training: every option of `tfvision train`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from tfvision.config.options import check_bounds, option
from tfvision.data.augmentation.options import Augmentation, check_boxes_stay_whole
from tfvision.data.options import ResizeOptions, Source, SplitOptions
from tfvision.errors import UsageError
from tfvision.evaluation.score_names import LAST_EPOCH, column_of
from tfvision.models.options import BoxOptions, HeadOptions, SmallCnnOptions
from tfvision.tasks import Task, has_boxes, has_classes
from tfvision.training.defence_options import AdversarialOptions, DistillOptions
from tfvision.training.options import AUTO, Phase, PseudoLabelOptions, ShallowOptions, check_views
from tfvision.training.words import ALIASES, understood

_BATCH_SIZE = 64


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
    image_size: int | None = option(
        None, "side in pixels that the backbone sees; default by the size of the images", at_least=1
    )
    channels: int | None = option(
        None,
        "channels of the model's input: 1 or 3; default 1 where all images are gray and the backbone starts from scratch "
        "or from a run of such images, else 3",
    )
    preset: Literal["fast", "balanced", "best"] | None = option(
        None,
        "how long to train: fast fits the head alone, balanced (the default) fine-tunes for a few epochs, best for many; "
        "--print_config shows the phases",
    )
    epochs: int | None = option(
        None,
        "epochs of the last phase, which then never stops early; the head of a pretrained backbone is trained before it",
        at_least=1,
    )
    batch_size: int | None = option(
        None,
        "images a step; default 64, or less, down to 16, where the training images are under 12 times as many",
        at_least=1,
    )
    learning_rate: float | Literal["auto"] | None = option(
        None,
        "learning rate of the last phase; auto: what `tfvision lr-find` suggests for it, found before training",
        above=0,
        word=AUTO,
    )
    unfreeze: str | None = option(
        None, "open layers of the backbone in the last phase: none, all, 15, 30% or block4,block5"
    )
    seed: int = option(0, "seed of splits, initialization, order, augmentation and dropout", between=(0, 2**32 - 1))
    output: str | None = option(None, "the run folder; default runs/<data>-<backbone>-<time>")
    optimizer: Literal["adam", "adamw", "lion", "sgd"] = option("adam", "optimizer")
    weight_decay: float = option(0.0, "decoupled weight decay", at_least=0, below=1)
    clip_norm: float | None = option(None, "largest norm of all gradients together; null for no clipping", above=0)
    ema: float = option(
        0.0, "average the weights over the steps with this momentum, such as 0.999; 0 for not", at_least=0, below=1
    )
    loss: Literal["cross_entropy", "focal"] = option("cross_entropy", "what is minimized; focal for rare classes")
    focal_gamma: float = option(2.0, "focal loss: how little an easy image counts", at_least=0)
    label_smoothing: float = option(0.0, "share of each label spread over all classes", at_least=0, below=1)
    monitor: Literal["val_loss", "val_accuracy", "val_f1", "val_iou", "val_robust_accuracy", "epoch"] = option(
        "val_loss",
        "validation score that chooses the best epoch; val_iou is the mean overlap of boxes, val_robust_accuracy is "
        "measured under adversarial.attack; epoch keeps the last one, where validation is too small to choose",
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
    limit: int | None = option(None, "use so many images only, of every class alike; for a quick look", at_least=1)
    on_small: Literal["fail", "skip"] = option(
        "fail", "classes of fewer than 3 images: list them and stop, or go on without them"
    )
    track: str | None = option(
        None, "send the run to trackers while it is trained: tensorboard, mlflow, wandb, or several (a,b)"
    )
    tensorboard: bool = option(False, "the same as track: tensorboard, beside what track names")
    source: Source = option(Source, "how the data is read")
    split: SplitOptions = option(SplitOptions, "how images are divided")
    resize: ResizeOptions = option(ResizeOptions, "the one resize")
    augment: Augmentation = option(Augmentation, "random changes of training images")
    head: HeadOptions = option(HeadOptions, "what stands on top of the backbone")
    box: BoxOptions = option(BoxOptions, "the box of the tasks that ask for one")
    shallow: ShallowOptions = option(ShallowOptions, "the shallow classifiers")
    small_cnn: SmallCnnOptions = option(SmallCnnOptions, "the small CNN")
    pseudo: PseudoLabelOptions = option(PseudoLabelOptions, "images without labels, for phases with pseudo_labels")
    adversarial: AdversarialOptions = option(AdversarialOptions, "pixels changed against the model while it is trained")
    distill: DistillOptions = option(DistillOptions, "learning the softened probabilities of a teacher")
    phases: list[Phase] | None = option(
        None, "the phases of training in order, each with these keys; default by the backbone's weights"
    )

    @property
    def images_a_step(self) -> int:
        """The batch size; that for many images until `suit_images` has filled it in."""
        return self.batch_size or _BATCH_SIZE

    @property
    def trackers(self) -> str:
        """The trackers that the run is sent to, separated by commas."""
        return ",".join(filter(None, ("tensorboard" if self.tensorboard else "", self.track)))

    understood = staticmethod(understood)
    aliases: ClassVar[Mapping[str, str]] = ALIASES

    def __post_init__(self) -> None:
        check_bounds(self)
        check_views(self.views, "views")
        if self.channels not in (None, 1, 3):
            raise UsageError(f"channels: expected 1 or 3, got {self.channels}")
        if self.batch_size == 1 and self.augment.mixing:
            raise UsageError("batch_size: expected 2 or more, since mixup and cutmix mix pairs, got 1")
        pools, filters = self.small_cnn.pools, self.small_cnn.filters
        if pools is not None and len(pools) != len(filters):
            raise UsageError(f"small_cnn.pools: expected one for each of {len(filters)} convolutions, got {pools}")


def check_task(config: TrainConfig) -> None:
    """Refuse options that mean nothing for a task.

    Args:
        config: The options.

    Raises:
        UsageError: With what to do instead.
    """
    task, monitor, balance = config.task, config.monitor, config.balance
    measured = "all" if monitor == LAST_EPOCH else column_of(monitor).of
    if measured == "boxes" and not has_boxes(task):
        raise UsageError(f"monitor: {monitor} is of boxes, and task {task} has none; use val_loss, or --task localize")
    if measured == "classes" and not has_classes(task):
        raise UsageError(f"monitor: {monitor} is of classes, and task {task} has none; use val_loss or val_iou")
    config.adversarial.refuse_ignored()
    if monitor == "val_robust_accuracy" and not config.adversarial.changes_pixels:
        raise UsageError("monitor: val_robust_accuracy needs adversarial.attack, under which it is measured; got none")
    if balance != "none" and (not has_classes(task) or (has_boxes(task) and balance == "class_weights")):
        instead = "none or oversample" if has_classes(task) else "none"
        raise UsageError(f"balance: {balance} does not go with task {task}; use {instead}")
    if has_boxes(task) and any(phase.solver != "gradient" for phase in config.phases or []):
        raise UsageError(f"solver: logistic_regression finds classes, not the boxes of task {task}; use gradient")
    check_boxes_stay_whole(config.augment, task)
