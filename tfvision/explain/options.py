"""Options of `tfvision explain`, known without TensorFlow."""

from dataclasses import dataclass
from typing import Literal

from tfvision.config.options import check_bounds, option


@dataclass(frozen=True)
class ExplainOptions:
    """How is explained."""

    method: Literal["layercam", "gradcam", "gradcam++", "occlusion", "integrated_gradients", "scorecam"] = option(
        "layercam", "how it is found out where the model looked"
    )
    target: str | None = option(None, "the class to explain; default the one that is predicted for each image")
    layer: str | None = option(
        None,
        "feature maps to explain from; default the last ones with at least 7 x 7 places; not for the pixels' methods",
    )
    limit: int | None = option(None, "explain so many images only, the first ones", at_least=1)

    def __post_init__(self) -> None:
        check_bounds(self)
