"""Predicted boxes drawn into the images at full size, for `predict --draw`."""

from pathlib import Path

import cv2
import numpy as np

from tfvision.data.boxes.orientation import to_upright
from tfvision.data.images.imageset import ImageSet
from tfvision.evaluation.box_predictions import BoxPredictions
from tfvision.system.files import below, replacing

_COLOUR = (0, 159, 230)  # orange, in OpenCV's order


def draw_predictions(predictions: BoxPredictions, images: ImageSet, folder: Path) -> None:
    """Write each image, upright and with its predicted box, as a JPEG file named after its id.

    Args:
        predictions: One box for each image, in stored pixels.
        images: The scanned images, in the same order.
        folder: The folder to write to; folders in the ids are created in it.

    Raises:
        DataError: An image is unreadable.
        WriteError: A file cannot be written.
    """
    for index in range(len(images)):
        pixels = with_box(predictions, images, index)
        encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()
        with replacing(below(folder, images.ids[index]).with_suffix(".jpg")) as temporary:
            temporary.write_bytes(encoded)


def with_box(predictions: BoxPredictions, images: ImageSet, index: int) -> np.ndarray:
    """Return an image, upright and with its predicted box.

    Args:
        predictions: One box for each image, in stored pixels.
        images: The scanned images, in the same order.
        index: Which of them.

    Returns:
        uint8 (height, width, 3), BGR.

    Raises:
        DataError: The image is unreadable.
    """
    assert images.frames is not None, "the images have not been scanned"
    width, height, turn = images.frames[index].tolist()
    pixels = cv2.cvtColor(images.read(index), cv2.COLOR_RGB2BGR)
    draw_box(pixels, to_upright(predictions.predicted[index], turn, width, height))
    return pixels


def draw_box(pixels: np.ndarray, box: np.ndarray) -> None:
    """Draw a box into an image, over a dark line so that it can be seen on any background.

    Args:
        pixels: uint8 (height, width, 3), BGR; it is changed.
        box: float (4,), xmin, ymin, xmax, ymax in pixels.
    """
    thick = max(2, round(max(pixels.shape[:2]) / 200))
    first, second = (tuple(round(float(side)) for side in corner) for corner in (box[:2], box[2:] - 1))
    cv2.rectangle(pixels, first, second, (0, 0, 0), thick + 2)
    cv2.rectangle(pixels, first, second, _COLOUR, thick)
