"""Explanations beside those of another library: Grad-CAM and LayerCAM of tf-keras-vis on the same model."""

import keras
import numpy as np
import pytest

from tfvision.explain.graph import find_maps, split_for_explaining
from tfvision.explain.methods import EXPLAIN_METHODS
from tfvision.models.classifier import build_classifier

pytest.importorskip("tf_keras_vis")

from tf_keras_vis.gradcam import Gradcam
from tf_keras_vis.layercam import Layercam
from tf_keras_vis.utils.model_modifiers import ReplaceToLinear


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(3)
    return build_classifier("mobilenet_v2_035", 3, image_size=64, weights=None)


@pytest.mark.parametrize(("method", "theirs"), [("gradcam", Gradcam), ("layercam", Layercam)])
@pytest.mark.parametrize("target", [0, 2])
def test_maps_are_those_of_tf_keras_vis(model: keras.Model, method: str, theirs: type, target: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3)).astype(np.float32)
    maps = find_maps(model)[0]
    own = EXPLAIN_METHODS[method].explain(split_for_explaining(model), pixels, np.full(3, target))
    other = theirs(model, model_modifier=ReplaceToLinear(), clone=True)(
        lambda output: output[:, target],
        pixels,
        penultimate_layer=maps.layer,
        seek_penultimate_conv_layer=False,
        expand_cam=False,
        normalize_cam=False,
    )
    assert own.shape == other.shape == (3, maps.height, maps.width) and own.max() > 0
    np.testing.assert_allclose(own, other, atol=1e-5 * own.max())
