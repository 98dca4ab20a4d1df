"""Both ends of a Vision Transformer in stock layers: patches with positions in, feature maps out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras

_CLASS, _PATCHES, _POSITIONS = "class_token", "patch_embedding", "position_embedding"


def is_embedding(operation: "keras.Operation") -> bool:
    """Tell whether an operation is KerasHub's embedding of patches.

    Its configuration leaves out some options, so that a saved model with it cannot be loaded; hence `embed_patches`.
    """
    return type(operation).__name__ == "ViTPatchingAndEmbedding"


def embed_patches(pixels: "keras.KerasTensor", layer: "keras.Layer") -> "keras.KerasTensor":
    """Add patches, class token and positions (Dosovitskiy et al., 2021) in stock layers.

    Args:
        pixels: `(batch, height, width, 3)`, scaled.
        layer: KerasHub's layer, which has the options.

    Returns:
        Tokens `(batch, 1 + patches, channels)`, without the 1 if there is no class token.
    """
    from keras import layers, ops

    patches = layers.Conv2D(
        layer.hidden_dim, layer.patch_size, strides=layer.patch_size, use_bias=layer.use_patch_bias, name=_PATCHES
    )(pixels)
    tokens = layers.Reshape((-1, layer.hidden_dim), name=f"{_PATCHES}_tokens")(patches)
    # Learned values that do not depend on the image are looked up: an embedding is the stock layer that holds them.
    if layer.use_class_token:
        first = ops.cast(ops.zeros_like(tokens[:, :1, 0]), "int32")
        token = layers.Embedding(1, layer.hidden_dim, name=_CLASS)(first)
        tokens = layers.Concatenate(axis=1, name=f"{_CLASS}_first")([token, tokens])
    places = ops.cumsum(ops.cast(ops.ones_like(tokens[:, :, 0]), "int32"), axis=1) - 1
    positions = layers.Embedding(layer.num_positions, layer.hidden_dim, name=_POSITIONS)(places)
    return layers.Add(name=f"{_POSITIONS}_add")([tokens, positions])


def embedding_weights(layer: "keras.Layer") -> dict[str, list[np.ndarray]]:
    """Return the weights of KerasHub's layer by the names of the layers of `embed_patches`."""
    weights = {_PATCHES: layer.patch_embedding.get_weights(), _POSITIONS: layer.position_embedding.get_weights()}
    if layer.use_class_token:
        weights[_CLASS] = [np.asarray(layer.class_token)[0]]
    return weights


def maps_of_tokens(
    tokens: "keras.KerasTensor", image: tuple[int, int], patch: int | Sequence[int] | None
) -> "keras.KerasTensor":
    """Put the tokens of patches back into their places.

    Class token and registers, which come first, are left out: heads that pool, flatten or look for boxes read maps, and
    the class token is hardly better than the average of the patches (Beyer, Zhai and Kolesnikov, "Better plain ViT
    baselines for ImageNet-1k", 2022).

    Args:
        tokens: `(batch, n, channels)`.
        image: Height and width in pixels.
        patch: Side, or height and width, of a patch in pixels.

    Returns:
        `(batch, rows, columns, channels)`.

    Raises:
        ValueError: There are fewer tokens than patches, or no patches.
    """
    from keras import ops

    if patch is None:
        raise ValueError("its tokens are not patches")
    high, wide = (patch, patch) if isinstance(patch, int) else patch
    rows, columns = image[0] // high, image[1] // wide
    while rows * columns > tokens.shape[1] and rows % 2 == columns % 2 == 0:
        rows, columns = rows // 2, columns // 2  # patches were merged two by two on the way (Swin)
    extra = tokens.shape[1] - rows * columns
    if extra < 0:
        raise ValueError(f"{tokens.shape[1]} tokens for {rows}x{columns} patches")
    # Operations, not layers, so that `unfreeze` does not count them.
    return ops.reshape(tokens[:, extra:], (-1, rows, columns, tokens.shape[2]))
