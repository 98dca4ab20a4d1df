"""Adversarial patch: one picture that misleads wherever it lies (Brown et al., "Adversarial Patch", 2017).

Fitted by expectation over transformation (Athalye et al., ICML 2018): each step draws rotation, scale and place anew.
"""

import math

import tensorflow as tf

from tfvision.robustness.attacks.losses import Logits, log_odds

_DEGREES = 22.5  # to either side
_SCALE = (0.8, 1.2)  # of the side
_STEP = 24.0  # gray levels, falling to none over the steps
FITTED_AT_ONCE = 64  # images of each step


def fit_patch(
    logits: Logits, images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, *, side: int, area: float, steps: int
) -> tf.Tensor:
    """Climb the mean log-probability of being wrong, over random images, rotations, scales and places.

    Args:
        logits: float32 pixels to logits.
        images: float32 (n, height, width, channels), in 0..255.
        labels: int32 (n,), the true classes.
        seed: int32 (2,).
        side: Rows and columns of the patch.
        area: Mean share of an image that it covers.
        steps: Steps of the ascent, each in the sign of the gradient.

    Returns:
        float32 (side, side, channels), in 0..255.
    """
    count, channels = tf.shape(images)[0], images.shape[3]

    def take(number: tf.Tensor, patch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        drawn = seed + tf.stack([0, 3 * number])
        chosen = tf.random.stateless_uniform((FITTED_AT_ONCE,), drawn, 0, count, tf.int32)
        seen, own = tf.gather(images, chosen), tf.gather(labels, chosen)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(patch)
            odds = log_odds(logits(place_patch(seen, patch, drawn + 1, area=area)), own)
            gain = -tf.reduce_mean(tf.nn.softplus(-odds))  # images that are misled already count little
        gradient = tape.gradient(gain, patch, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        rate = _STEP * (1 - tf.cast(number, tf.float32) / steps)
        return number + 1, tf.clip_by_value(patch + rate * tf.sign(gradient), 0.0, 255.0)

    start = tf.random.stateless_uniform((side, side, channels), seed, 0.0, 255.0)
    _, patch = tf.while_loop(lambda number, _: number < steps, take, (tf.constant(0), start))
    return patch


def place_patch(images: tf.Tensor, patch: tf.Tensor, seed: tf.Tensor, *, area: float) -> tf.Tensor:
    """Lay a patch over each image, rotated by up to 22.5 degrees, scaled by 0.8 to 1.2, anywhere within it.

    Args:
        images: float32 (b, height, width, channels), in 0..255.
        patch: float32 (side, side, channels), in 0..255.
        seed: int32 (2,), of rotation, scale and place.
        area: Share of an image that it covers at scale 1.

    Returns:
        float32 (b, height, width, channels).
    """
    shape = tf.shape(images)
    # A border of zeros beside the patch, so that interpolation at its edge mixes with the image and not with black.
    covered = tf.concat([patch, tf.ones_like(patch[..., :1])], -1)
    layers = tf.tile(tf.pad(covered, [[1, 1], [1, 1], [0, 0]])[None], (shape[0], 1, 1, 1))
    warped = tf.raw_ops.ImageProjectiveTransformV3(
        images=layers,
        transforms=_transforms(shape, tf.shape(layers)[1], tf.shape(patch)[0], area, seed),
        output_shape=shape[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    return images * (1 - warped[..., -1:]) + warped[..., :-1]


def _transforms(shape: tf.Tensor, padded: tf.Tensor, side: tf.Tensor, area: float, seed: tf.Tensor) -> tf.Tensor:
    """Return the maps from places in the images to places in the padded patch, float32 (b, 8)."""
    drawn = tf.random.stateless_uniform((4, shape[0]), seed)
    height, width = tf.cast(shape[1], tf.float32), tf.cast(shape[2], tf.float32)
    angle = (2 * drawn[0] - 1) * math.radians(_DEGREES)
    length = tf.sqrt(area * height * width) * (_SCALE[0] + drawn[1] * (_SCALE[1] - _SCALE[0]))
    row, column = (
        tf.minimum(length / 2, span / 2) + place * tf.maximum(span - length, 0.0) - 0.5
        for place, span in ((drawn[2], height), (drawn[3], width))
    )
    shrink = tf.cast(side, tf.float32) / length
    cosine, sine = shrink * tf.cos(angle), shrink * tf.sin(angle)
    middle = (tf.cast(padded, tf.float32) - 1) / 2
    right, down = middle - cosine * column - sine * row, middle + sine * column - cosine * row
    none = tf.zeros_like(angle)
    return tf.stack([cosine, sine, right, -sine, cosine, down, none, none], 1)
