"""RandAugment by the layers of keras_cv and keras, for those who want these; the only module that imports keras_cv."""

from collections.abc import Callable
from importlib.util import find_spec

import tensorflow as tf

from tfvision.data.augmentation.options import Augmentation
from tfvision.errors import UsageError

BatchChange = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def rand_augment_layer(augmentation: Augmentation, seed: int) -> BatchChange | None:
    """Return a library's RandAugment as a function of batches, to be mapped over them one after the other.

    With `keras` the result depends only on the seed, the step and the place in the batch, provided that calls do not
    run in parallel: they share the state of one generator. The layer draws its operations once for each call, so it is
    called for each image, and it computes all 11 operations to use some. With `keras_cv` results differ from run to
    run; the magnitude is the mean of a normal distribution (standard deviation 0.15), and one operation in eleven is
    left out. The operations and their strengths differ from those of the engine opencv in both.

    Args:
        augmentation: Engine, magnitude and number of operations.
        seed: Seed of the run.

    Returns:
        A function of the step number, int64 (), and images, uint8 (b, height, width, 3), that returns images of the
        same shape and dtype. None if RandAugment is off or done by the engine opencv.

    Raises:
        UsageError: keras_cv is not installed.
    """
    if not augmentation.rand_magnitude or augmentation.engine == "opencv":
        return None
    # tf.data could not reach the state of a generator on a GPU.
    with tf.device("/CPU:0"):
        change = _keras(augmentation, seed) if augmentation.engine == "keras" else _keras_cv(augmentation, seed)

    def change_bytes(step: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
        changed = change(step, tf.cast(images, tf.float32))
        return tf.cast(tf.round(tf.clip_by_value(tf.ensure_shape(changed, images.shape), 0, 255)), tf.uint8)

    return change_bytes


def _keras(augmentation: Augmentation, seed: int) -> BatchChange:
    import keras

    layer = keras.layers.RandAugment(
        value_range=(0, 255),
        num_ops=augmentation.rand_operations,
        factor=augmentation.rand_magnitude,
        seed=seed,
        dtype="float32",
    )
    state = layer.generator.state

    def change(step: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
        # The state is set for each step, so that training resumed at any step sees the same images.
        key = tf.random.experimental.stateless_fold_in(tf.constant([seed, 0], tf.int64), tf.cast(step, tf.int64))
        state.assign(tf.cast(key, state.dtype))
        return tf.map_fn(layer, images, parallel_iterations=1)

    return change


def check_engine(augmentation: Augmentation, channels: int, *, boxes: bool = False) -> None:
    """Refuse, before anything is written, an engine that is not installed or cannot augment the images.

    Args:
        augmentation: Engine and magnitude of RandAugment.
        channels: Channels of the images.
        boxes: Whether the images have boxes.

    Raises:
        UsageError: keras_cv is not installed, or is asked to augment gray images of one channel; or a library is asked
            to augment images with boxes.
    """
    if boxes and augmentation.rand_magnitude and augmentation.engine != "opencv":
        raise UsageError(
            f"augment.engine {augmentation.engine} moves pixels and leaves their boxes where they were; "
            "leave the engine at opencv, which with boxes uses only RandAugment's operations on colours"
        )
    if not augmentation.rand_magnitude or augmentation.engine != "keras_cv":
        return
    try:
        found = find_spec("keras_cv")
    except ValueError:  # the module has no specification, or sys.modules holds None for it
        found = None
    if found is None:
        raise UsageError(
            "augment.engine keras_cv: keras-cv is not installed; "
            "run `pip install 'keras-cv>=0.9'`, or leave the engine at opencv"
        )
    if channels == 1:
        raise UsageError(
            "augment.engine keras_cv takes no gray images; set --channels 3, or leave the engine at opencv"
        )


def _keras_cv(augmentation: Augmentation, seed: int) -> BatchChange:
    check_engine(augmentation, channels=3)
    import keras_cv

    # Some of its operations use the global generator whatever the seed is, and op determinism refuses to create one.
    tf.random.set_global_generator(tf.random.Generator.from_seed(seed))
    layer = keras_cv.layers.RandAugment(
        value_range=(0, 255),
        augmentations_per_image=augmentation.rand_operations,
        magnitude=augmentation.rand_magnitude,
        seed=seed,
        dtype="float32",
    )
    return lambda step, images: layer(images)
