"""What a teacher says of training images: its probabilities, softened by a temperature."""

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from tfvision.data.batches.pipeline import evaluation_batches
from tfvision.data.images.imageset import ImageSet
from tfvision.data.pixels.resize import Resize
from tfvision.evaluation.inference import one_line_errors
from tfvision.system.terminal import ProgressLine
from tfvision.training.softened import softened_logarithms

if TYPE_CHECKING:
    import keras


def soften(
    teacher: "keras.Model", images: ImageSet, resize: Resize, *, temperature: float, batch_size: int
) -> np.ndarray:
    """Return the probabilities that a teacher gives images as they are, without augmentation, at a temperature.

    Args:
        teacher: A classifier, raw pixels in.
        images: The images.
        resize: The resize of the teacher, to its input size.
        temperature: What its logits are divided by.
        batch_size: Images a step.

    Returns:
        float32 (n, classes), or (n, 1) of the second of two classes: `soft_labels` of an ImageSet.

    Raises:
        DataError: An image can no longer be read.
        RunError: Memory ran out.
    """
    probabilities = tf.function(
        lambda pixels: tf.exp(softened_logarithms(teacher(pixels, training=False), temperature)), reduce_retracing=True
    )
    found: list[np.ndarray] = []
    batches = evaluation_batches(images, resize=resize, batch_size=batch_size, labelled=False)
    with one_line_errors(batch_size), ProgressLine("asking the teacher", len(images)) as line:
        for pixels in batches:
            found.append(probabilities(pixels).numpy())
            line.report(sum(map(len, found)))
    rows = np.concatenate(found)
    return rows[:, 1:] if rows.shape[1] == 2 else rows
