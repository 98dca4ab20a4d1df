"""A campaign: one model, its images, and attacks on those that it is right about."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from tfvision.data.images.changed import change_images
from tfvision.data.images.imageset import ImageSet
from tfvision.evaluation.inference import one_line_errors
from tfvision.prediction.answers import map_labels, predict_images
from tfvision.prediction.predictors import ClassPredictor
from tfvision.robustness.attack_scores import AttackRow, Cost
from tfvision.robustness.attacker import Attacker, Batch
from tfvision.robustness.attacks.effort import Effort
from tfvision.robustness.attacks.table import ATTACKS
from tfvision.system.terminal import ProgressLine


@dataclass(frozen=True)
class Campaign:
    """Attacks on the images that a model is right about; the others stay wrong.

    Attributes:
        attacker: The model and its compiled attacks.
        images: Labelled images; labels are indexes into the model's classes.
        clean: bool (n,), where the model is right about the unchanged images.
        seed: Seed of everything drawn.
    """

    attacker: Attacker
    images: ImageSet
    clean: np.ndarray
    seed: int

    def attack(
        self, method: str, epsilon: float, *, effort: Effort | None = None, limit: int | None = None
    ) -> AttackRow:
        """Attack within a budget.

        Args:
            method: A key of `ATTACKS` that has a budget.
            epsilon: The budget in pixel units.
            effort: Another effort than the attacker's.
            limit: The most images to attack and score, drawn from the seed; all if None.

        Returns:
            The row.
        """
        attacker = self.attacker if effort is None else self.attacker.with_effort(effort)
        rounded = as_files(attacker.norm, epsilon)
        right, taken, took = self.clean.copy(), self.drawn(limit), Cost()
        rows = taken[self.clean[taken]]
        with one_line_errors(), ProgressLine(f"{method} {epsilon:g}", len(rows)) as line:
            done = 0
            for chunk, batch in self.crafted(method, epsilon, rows, attacker):
                right[chunk] = self.predicted(chunk, batch.images, rounded) == self.images.labels[chunk]
                took = took.plus(batch.cost)
                line.report(done := done + len(chunk))
        settings, clean = settings_of(method, attacker.effort), float(self.clean[taken].mean())
        return AttackRow(method, attacker.norm, epsilon, right[taken], clean, took.each(len(rows)), rounded, settings)

    def crafted(
        self, method: str, epsilon: float, rows: np.ndarray, attacker: Attacker | None = None
    ) -> Iterator[tuple[np.ndarray, Batch]]:
        """Yield indexes of images and what was made of them, some at a time.

        Args:
            method: A key of `ATTACKS` that changes images one by one.
            epsilon: The budget in pixel units.
            rows: Indexes of the images to attack.
            attacker: Another attacker than the campaign's own.

        Yields:
            Indexes, int64 (b,), and the batch.
        """
        attacker = attacker or self.attacker
        rounded = ATTACKS[method].budget and as_files(attacker.norm, epsilon)
        for number, (chunk, pixels) in enumerate(self.chunks(rows)):
            seed = (self.seed, 100_000 * number)
            yield chunk, attacker.craft(method, pixels, self.images.labels[chunk], epsilon, seed=seed, rounded=rounded)

    def predicted(
        self, rows: np.ndarray, pixels: np.ndarray, rounded: bool, model: Attacker | None = None
    ) -> np.ndarray:
        """Return the classes that a model takes for changed images.

        Args:
            rows: Indexes of the images.
            pixels: float32 (b, height, width, channels), what became of them.
            rounded: Whether they are whole numbers, to be scored as files; else as float pixels.
            model: Another model than the campaign's own.

        Returns:
            int64 (b,).
        """
        attacker = model or self.attacker
        if not rounded:
            return attacker.classes(pixels)
        return predicted_as_files(attacker.model.predictor, self.images.select(rows), pixels)

    def drawn(self, limit: int | None) -> np.ndarray:
        """Return the sorted indexes of at most `limit` images, int64, drawn from the seed; all if it is None."""
        every = np.arange(len(self.clean))
        if limit is None or len(every) <= limit:
            return every
        return np.sort(np.random.default_rng(self.seed).permutation(every)[:limit])

    def chunks(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Read images of one size, as many as are attacked at once.

        Args:
            rows: Indexes of the images.

        Yields:
            Indexes, int64 (b,), and uint8 (b, height, width, channels).
        """
        pending: list[int] = []
        pixels: list[np.ndarray] = []
        for row in rows.tolist():
            image = self.images.read(row)
            if pending and (image.shape != pixels[0].shape or len(pending) == self.attacker.chunk(*image.shape[:2])):
                yield np.array(pending), np.stack(pixels)
                pending, pixels = [], []
            pending.append(row)
            pixels.append(image)
        if pending:
            yield np.array(pending), np.stack(pixels)


def start_campaign(attacker: Attacker, images: ImageSet, seed: int) -> Campaign:
    """Predict the unchanged images, and match their classes to the model's by name.

    Args:
        attacker: The model and its attacks.
        images: Labelled images.
        seed: Seed of everything drawn.

    Returns:
        The campaign, its images ordered by size, so that those of one size are attacked together.

    Raises:
        DataError: The data has a class the model does not know, or an image is unreadable.
    """
    facts = attacker.model.predictor.facts
    labels, _ = map_labels(images, facts.class_names)
    images = replace(images, labels=labels, class_names=facts.class_names)
    shapes = [images.read(row).shape for row in range(len(images))]
    images = images.select(sorted(range(len(images)), key=shapes.__getitem__))
    found = predict_images(attacker.model.predictor, images)
    return Campaign(attacker, images, found.predicted == images.labels, seed)


def as_files(norm: str, epsilon: float) -> bool:
    """Tell whether rounding to whole numbers stays within a budget: one that is whole, and of each value by itself."""
    return norm == "linf" and float(epsilon).is_integer()


def predicted_as_files(predictor: ClassPredictor, images: ImageSet, pixels: np.ndarray) -> np.ndarray:
    """Return the classes that a run predicts for images with other pixels, as if these were read from files.

    Args:
        predictor: The run.
        images: The images.
        pixels: (b, height, width, channels), whole numbers in 0..255.

    Returns:
        int64 (b,).
    """
    changed = dict(zip(images.ids, pixels.astype(np.uint8), strict=True))
    return predict_images(predictor, change_images(images, lambda _, image_id: changed[image_id])).predicted


def settings_of(method: str, effort: Effort) -> dict[str, float]:
    """Return the settings that an attack used, by the names that RobustBench uses where it has them."""
    if method == "cw":
        return {"steps": effort.cw_steps * effort.cw_rounds, "restarts": 1}
    if method == "square":
        return {"steps": effort.queries, "restarts": 1}
    if method == "patch":
        return {"steps": effort.patch_steps, "restarts": 1, "area": effort.patch_area}
    if method in ("fgsm", "random"):
        return {"steps": 1, "restarts": 1}
    return {"steps": effort.steps, "restarts": 1 if method == "transfer" else effort.restarts}
