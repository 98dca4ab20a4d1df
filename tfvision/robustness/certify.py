"""What `tfvision certify` does: radii within which no change of an image's pixels changes the smoothed class."""

import time
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvision.config.options import from_dict
from tfvision.data.images.imageset import ImageSet
from tfvision.data.options import Source
from tfvision.data.sources.python import Held
from tfvision.errors import UsageError
from tfvision.prediction.answers import predict_classes
from tfvision.prediction.images import images_to_score
from tfvision.prediction.predictors import Predictor
from tfvision.prediction.stored import StoredModel, find_model
from tfvision.robustness.certificates import Certificates, largest_radius, write_certificates
from tfvision.robustness.drawing import draw_images
from tfvision.robustness.options import CertifyOptions
from tfvision.runs.folder import writing_in_turn
from tfvision.runs.names import CERTIFICATES, PLOTS
from tfvision.system.files import refuse_unwritable
from tfvision.system.terminal import ProgressLine, in_one_output
from tfvision.tasks import has_boxes

if TYPE_CHECKING:
    from tfvision.robustness.smoothing import NoisyClassifier


@in_one_output
def certify(
    model: str | PathLike[str],
    data: "str | Path | Held | ImageSet | None" = None,
    *,
    sigma: float = 12.75,
    samples: int = 1000,
    n0: int = 100,
    alpha: float = 0.001,
    limit: int = 500,
    batch_size: int = 128,
    seed: int = 0,
    output: str | Path | None = None,
    trust: bool = False,
    **source: Any,
) -> Certificates:
    """Certify images by randomized smoothing (Cohen et al., ICML 2019).

    The class that the model names most often under Gaussian noise cannot be changed by any change of the pixels whose
    L2 norm is below the radius, except with probability `alpha`. Norms, like sigma, are in pixel values 0..255 of the
    image at the model's input. The model gets the noisy pixels as they are, neither rounded nor clipped.

    With `output`, a table and a curve are written beside it. Without, all goes into the run and its report if the
    images are the run's own test part, and is not written for other data.

    Args:
        model: A run folder, a `.keras` file of a run, or a SavedModel, which rounds and clips; it must predict classes.
        data: Labelled images, see `open_images`, or a set of them; None for the run's own test part.
        sigma: Standard deviation of the noise, in pixel values 0..255.
        samples: Noisy copies of each image that bound the probability of its class.
        n0: Noisy copies before these that choose the class.
        alpha: Chance that the certificate of an image is wrong.
        limit: Most images; drawn by the seed if there are more.
        batch_size: Noisy copies per step; no result depends on it.
        seed: Seed of the noise, together with each image's id, and of the images drawn.
        output: A JSON file to write the result to.
        trust: Load a SavedModel even if its graph might read files, open connections or run Python.
        **source: How the data is read, as with the flags of the command line.

    Returns:
        The radius of each image, and the files written.

    Raises:
        UsageError: An unknown option, a value out of its bounds, too few samples, or a model that predicts boxes.
        DataError: No such model or data, or the data has classes that the model does not know.
        RunError: A file cannot be written, or the model gives NaN.
    """
    named = {"sigma": sigma, "samples": samples, "n0": n0, "alpha": alpha, "limit": limit}
    options = from_dict(CertifyOptions, {**named, "batch_size": batch_size, "seed": seed})
    wanted = from_dict(Source, source)
    refuse_few_samples(options)
    stored = find_model(model, trust=trust)
    if has_boxes(stored.facts.task):
        raise UsageError("certify bounds what changes a class, and this model finds boxes; give a run of classes alone")
    if stored.is_ensemble:
        raise UsageError(
            f"{model} is an ensemble, whose members take images of their own sizes, and certify adds noise at one size; "
            "name a member, or export it and certify the SavedModel"
        )
    stored.refuse_programs()
    refuse_unwritable(output)
    name, images, _ = images_to_score(stored, data, wanted)
    found = certify_images(stored.load(), draw_images(images, options.limit, options.seed), options, name)
    return replace(found, written=tuple(_write(found, stored, own=data is None, output=output)))


def refuse_few_samples(options: CertifyOptions) -> None:
    """Raise a UsageError if no image could be certified, even if all its draws agree."""
    if largest_radius(options) <= 0:
        least = int(np.log(options.alpha) / np.log(0.5)) + 1
        raise UsageError(
            f"--samples {options.samples} certifies nothing at --alpha {options.alpha:g}, even if all agree; "
            f"expected {least} or more"
        )


def certify_images(predictor: Predictor, images: ImageSet, options: CertifyOptions, name: str) -> Certificates:
    """Certify each of some images.

    Args:
        predictor: A model that predicts classes alone.
        images: Labelled images whose classes the model knows.
        options: Noise, samples and seed.
        name: Name of the images, such as `test`.

    Returns:
        The certificates.

    Raises:
        DataError: An image is unreadable, or the data has a class that the model does not know.
        RunError: The model gives NaN, or TensorFlow failed.
    """
    from tfvision.robustness.smoothing import noisy_classifier

    plain, _ = predict_classes(predictor, images)
    noisy = noisy_classifier(predictor, options.sigma, options.batch_size)
    begun, answers = time.monotonic(), []
    with ProgressLine("certifying", len(images)) as line:
        for index in range(len(images)):
            answers.append(_certify_image(noisy, images, index, options))
            line.report(index + 1)
    predicted, radii = zip(*answers, strict=True)
    seconds = (time.monotonic() - begun) / len(images)
    clean = float(np.mean(plain.predicted == plain.labels))
    table = plain.ids, plain.class_names, plain.labels, np.array(predicted), np.array(radii)
    decision = predictor.facts.decision
    return Certificates(name, *table, options=options, clean=clean, seconds=seconds, decision=decision)


def _certify_image(
    noisy: "NoisyClassifier", images: ImageSet, index: int, options: CertifyOptions
) -> tuple[int, float]:
    from tfvision.data.batches.pipeline import load_image
    from tfvision.robustness.smoothing import certify_classes, noise_key

    pixels = load_image(images, index, noisy.facts.resize)
    classes = noisy.classes(pixels, noise_key(options.seed, images.ids[index]), options.n0 + options.samples)
    bounds = {"alpha": options.alpha, "sigma": options.sigma}
    return certify_classes(classes, options.n0, len(noisy.facts.class_names), **bounds)


def _write(found: Certificates, stored: StoredModel, *, own: bool, output: str | Path | None) -> list[Path]:
    """Write beside `output`, or into the run and its report, or nothing."""
    if output is not None:
        with writing_in_turn(Path(output).parent):
            return write_certificates(found, Path(output), Path(output).parent)
    if not own:
        return []
    from tfvision.report.page import write_pages

    with writing_in_turn(stored.path):
        written = write_certificates(found, stored.path / CERTIFICATES, stored.path / PLOTS)
        return [*written, *write_pages(stored.path)]
