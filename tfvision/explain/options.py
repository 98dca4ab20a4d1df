"""Options of `tfvision explain`, known without TensorFlow."""

from dataclasses import dataclass
from typing import Literal

from tfvision.config.options import check_bounds, option


@dataclass(frozen=True)
class ExplainOptions:
    """How is explained."""

    method: (
        Literal[
            "fused_layercam",
            "layercam",
            "gradcam",
            "gradcam++",
            "attention",
            "occlusion",
            "integrated_gradients",
            "scorecam",
        ]
        | None
    ) = option(
        None, "how it is found out where the model looked; default attention for transformers, else fused_layercam"
    )
    target: str | None = option(None, "the class to explain; default the one that is predicted for each image")
    layer: str | None = option(
        None,
        "feature maps to explain from; default those of all stages or the last with at least 7 x 7 places, by the method",
    )
    limit: int | None = option(None, "explain so many images only, the first ones", at_least=1)

    def __post_init__(self) -> None:
        check_bounds(self)
