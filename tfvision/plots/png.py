"""Images as PNG files."""

from pathlib import Path

import cv2
import numpy as np

from tfvision.system.files import replacing


def write_png(image: np.ndarray, path: Path) -> None:
    """Write an image.

    Args:
        image: uint8 (height, width, 3), RGB, or (height, width, 1) or (height, width), gray.
        path: The file; its folder is made if missing.

    Raises:
        WriteError: It cannot be written.
    """
    pixels = image if image.ndim == 2 or image.shape[2] == 1 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    with replacing(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
