"""What an ensemble's rules and members are worth: every one on the same images, each rule against the best member."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tfvision.ensembles.choose import FittedRule
from tfvision.ensembles.diversity import Diversity, measure_diversity
from tfvision.ensembles.members import Member, MemberAnswers
from tfvision.ensembles.rules import RULES
from tfvision.evaluation.metrics import compute_metrics
from tfvision.evaluation.paired import Difference, paired_differences
from tfvision.evaluation.parts import judged_part
from tfvision.evaluation.predictions import Predictions
from tfvision.evaluation.score_names import brief_scores
from tfvision.models.combination import Combination


@dataclass(frozen=True)
class Judged:
    """A rule or a member on the images of both parts.

    Attributes:
        name: Of the rule in `RULES`, or of the member.
        scores: The brief scores of each part that has images, each `{"accuracy": ..., "ci95": {"accuracy": [low, high]}}`.
        expected: Of a rule, its brief scores by cross-validation inside the validation part.
        weights: Of a rule, the weight of each member, where it has weights.
        differences: Of a rule, score to difference to the best member on the part that is judged.
    """

    name: str
    scores: Mapping[str, Mapping[str, Any]]
    expected: Mapping[str, float]
    weights: tuple[float, ...] = ()
    differences: Mapping[str, Difference] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, without those that are empty."""
        found: dict[str, Any] = {"name": self.name, **self.scores}
        if self.expected:
            found["expected"] = dict(self.expected)
        if self.weights:
            found["weights"] = list(self.weights)
        if self.differences is not None:
            found["difference_to_best"] = {name: each.to_dict() for name, each in self.differences.items()}
        return found


@dataclass(frozen=True)
class Results:
    """Everything that is known about an ensemble's rules and members.

    Attributes:
        rules, members: Each judged on the same images.
        best: Index of the member that is best on validation.
        diversity: Of the members, on the images of the part that is judged.
        part: The part that is judged: the test, or validation if there is none.
    """

    rules: tuple[Judged, ...]
    members: tuple[Judged, ...]
    best: int
    diversity: Diversity
    part: str


def judge(members: Sequence[Member], answers: MemberAnswers, candidates: Sequence[FittedRule], best: int) -> Results:
    """Score every rule and every member.

    Args:
        members: The members.
        answers: What they said.
        candidates: The fitted rules.
        best: Index of the best member.

    Returns:
        Their scores, with intervals.
    """
    parts = {name: each for name, each in (("validation", answers.validation), ("test", answers.test)) if len(each[0])}
    part = judged_part(parts)
    judged_members = tuple(
        Judged(member.name, {name: _scores(each[index]) for name, each in parts.items()}, {})
        for index, member in enumerate(members)
    )
    rules = []
    for candidate in candidates:
        combined = {name: combine(each, candidate.combination) for name, each in parts.items()}
        scores = {name: _scores(each) for name, each in combined.items()}
        differences = paired_differences(parts[part][best], combined[part])
        weights = candidate.combination.weights if RULES[candidate.rule].learns and candidate.rule != "stack" else ()
        rules.append(Judged(candidate.rule, scores, candidate.expected, weights, _brief(differences)))
    predicted = np.stack([each.probabilities.argmax(axis=1) for each in parts[part]])
    return Results(tuple(rules), judged_members, best, measure_diversity(predicted, parts[part][0].labels, best), part)


def combine(given: Sequence[Predictions], combination: Combination) -> Predictions:
    """Return the predictions of an ensemble from those of its members for the same images."""
    combined = combination.combine(np.stack([each.probabilities for each in given]))
    return replace(given[0], probabilities=combined, decided=None)


def _scores(found: Predictions) -> dict[str, Any]:
    metrics = compute_metrics(found.labels, found.probabilities, found.class_names)
    names = [score.name for score in brief_scores()]
    return {
        "n": metrics["n"],
        **{name: metrics[name] for name in names},
        "ci95": {name: metrics["ci95"][name] for name in names},
    }


def _brief(differences: Mapping[str, Difference]) -> dict[str, Difference]:
    return {score.name: differences[score.name] for score in brief_scores()}
