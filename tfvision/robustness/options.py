"""Options of the verbs that ask a model about many changed copies of its images."""

from dataclasses import dataclass

from tfvision.config.options import check_bounds, option


@dataclass
class CertifyOptions:
    """How randomized smoothing certifies images."""

    sigma: float = option(12.75, "standard deviation of the noise, in pixel values 0..255", above=0)
    samples: int = option(1000, "noisy copies of each image that bound the probability of its class", at_least=1)
    n0: int = option(100, "noisy copies before these that choose the class", at_least=1)
    alpha: float = option(0.001, "chance that the certificate of an image is wrong", above=0, below=0.5)
    limit: int = option(500, "images, drawn by the seed if there are more", at_least=1)
    batch_size: int = option(128, "noisy copies per step; rounded up to a multiple of 16", at_least=1)
    seed: int = option(0, "seed of the noise and of the images that --limit draws", at_least=0)

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass
class TextureOptions:
    """Which images are changed."""

    limit: int = option(500, "images, drawn by the seed if there are more", at_least=1)
    seed: int = option(0, "seed of the order of patches and of the images that --limit draws", at_least=0)

    def __post_init__(self) -> None:
        check_bounds(self)
