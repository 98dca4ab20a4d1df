"""Trees: the random forest of scikit-learn, and XGBoost."""

import importlib.util
import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvision.errors import UsageError
from tfvision.models.heads.shallow_heads import TreeHead
from tfvision.system.terminal import ProgressLine
from tfvision.training.shallow.problem import Candidate, Fitted, Problem, choose_candidate

if TYPE_CHECKING:
    import xgboost

_STEP = 10  # trees grown between two reports
_BINS = 64  # of XGBoost; with 256 the score is the same and training takes half as long again
_BOOST_DEPTH = 6

# A tree: feature, threshold, left child and right child (-1 in a leaf) and values (nodes, K) of each node.
Tree = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def fit_random_forest(problem: Problem) -> Fitted:
    """Grow a random forest (Breiman, 2001); probabilities are the mean of its trees.

    One more tree with equal probabilities is added, so that no class ever has the probability 0.
    """
    from sklearn.ensemble import RandomForestClassifier

    options, classes = problem.options, problem.num_classes
    forest = RandomForestClassifier(
        max_depth=options.depth, n_jobs=os.cpu_count(), random_state=problem.seed, warm_start=True
    )
    with ProgressLine("random_forest: trees", options.trees, unit="trees") as line:
        for trees in [*range(_STEP, options.trees, _STEP), options.trees]:
            forest.set_params(n_estimators=trees).fit(problem.features, problem.labels, sample_weight=problem.weights)
            line.report(trees)
    grown = [_sklearn_tree(one.tree_, forest.classes_, classes) for one in forest.estimators_]
    total = len(grown) + 1
    head = pack_trees(grown, scale=1 / total, base=np.full(classes, 1 / (classes * total)), softmax=False)
    found = np.zeros((len(problem.validation), classes))
    found[:, forest.classes_] = forest.predict_proba(problem.validation)
    found = (found * len(grown) + 1 / classes) / total
    return choose_candidate(problem, [len(grown)], lambda trees: Candidate(head, found, {"trees": trees}))


def fit_xgboost(problem: Problem) -> Fitted:
    """Boost trees with XGBoost (Chen and Guestrin, 2016); the number of rounds is chosen by validation log loss."""
    import xgboost

    options, classes = problem.options, problem.num_classes
    train = xgboost.QuantileDMatrix(problem.features, problem.labels, weight=problem.weights, max_bin=_BINS)
    validation = xgboost.DMatrix(problem.validation, problem.validation_labels)
    several = {"objective": "multi:softprob", "eval_metric": "mlogloss", "num_class": classes}
    settings = {
        **(several if classes > 2 else {"objective": "binary:logistic", "eval_metric": "logloss"}),
        "tree_method": "hist",
        "max_bin": _BINS,
        "max_depth": options.depth or _BOOST_DEPTH,
        "eta": options.rate,
        "colsample_bytree": options.columns,
        "seed": problem.seed,
        "verbosity": 0,
    }
    with ProgressLine("xgboost: rounds", options.rounds, unit="rounds") as line:
        booster = xgboost.train(
            settings,
            train,
            options.rounds,
            evals=[(validation, "validation")],
            early_stopping_rounds=options.patience,
            verbose_eval=False,
            callbacks=[_reporting(line)],
        )
    rounds = booster.best_iteration + 1
    booster = booster[:rounds]
    head = _booster_head(json.loads(booster.save_raw("json")), classes)
    found = booster.predict(validation)
    found = found[:, None] if classes == 2 else found
    note = "rounds chosen by validation log loss" if rounds < options.rounds else ""
    return choose_candidate(problem, [rounds], lambda number: Candidate(head, found, {"rounds": number}, note))


def check_xgboost() -> None:
    """Raise a UsageError if XGBoost is not installed."""
    if importlib.util.find_spec("xgboost") is None:
        raise UsageError(
            "classifier xgboost needs the package xgboost-cpu; install it with `pip install 'tfvision[xgboost]'`"
        )


def pack_trees(trees: Sequence[Tree], *, scale: float, base: np.ndarray, softmax: bool) -> TreeHead:
    """Put trees into one table.

    Args:
        trees: They go left if the feature is below the threshold, which is float32.
        scale: Factor of all values.
        base: `(K,)`, added to the sum of the trees.
        softmax: Whether the sums are logits.

    Returns:
        The table.

    Raises:
        UsageError: The trees have too many nodes.
    """
    columns: list[list[np.ndarray]] = [[], [], [], []]
    roots, depth, start = [], 0, 0
    for number, (feature, threshold, left, right, values) in enumerate(trees):
        inner = np.flatnonzero(left >= 0)
        # The children of the m-th inner node are placed at 1 + 2 m and 2 + 2 m, whatever their order was.
        place = np.zeros(len(left), np.int64)
        place[left[inner]] = 1 + 2 * np.arange(len(inner))
        place[right[inner]] = 2 + 2 * np.arange(len(inner))
        child = place.copy()
        child[inner] = place[left[inner]]
        asked = np.where(left >= 0, feature, 0)
        limit = np.where(left >= 0, threshold, np.finfo(np.float32).max)
        values = values * scale + (base if number == 0 else 0)
        order = np.argsort(place)
        for column, entries in zip(columns, (asked, limit, child + start, values), strict=True):
            column.append(entries[order])
        roots.append(start)
        depth = max(depth, _depth(left, right))
        start += len(left)
    asked, limit, child, values = (np.concatenate(column) for column in columns)
    head = TreeHead(asked, limit, child, values, np.array(roots), depth, softmax)
    if not head.fits:
        raise UsageError(
            f"the trees have {start:,} nodes, too many to keep; use fewer trees or rounds, or a lower depth"
        )
    return head


def _depth(left: np.ndarray, right: np.ndarray) -> int:
    """Return the number of steps from the root to the deepest leaf."""
    level, depth = np.array([0]), 0
    while len(inner := level[left[level] >= 0]):
        level, depth = np.concatenate([left[inner], right[inner]]), depth + 1
    return depth


def _sklearn_tree(tree: Any, present: np.ndarray, classes: int) -> Tree:
    """Read a tree of scikit-learn, which goes left if the feature is at most the float64 threshold."""
    nearest = tree.threshold.astype("float32")
    # It goes right if the float32 feature is above the threshold, that is, at least the next float32 above it.
    above = np.where(nearest > tree.threshold, nearest, np.nextafter(nearest, np.float32(np.inf)))
    values = np.zeros((tree.node_count, classes))
    values[:, present] = tree.value[:, 0] / tree.value[:, 0].sum(axis=1, keepdims=True)
    return tree.feature, above, tree.children_left, tree.children_right, values


def _booster_head(saved: dict[str, Any], classes: int) -> TreeHead:
    """Read the trees of a booster: each goes left below its float32 threshold and adds to the score of one class."""
    learner = saved["learner"]
    model = learner["gradient_booster"]["model"]
    trees = []
    for tree, index in zip(model["trees"], model["tree_info"], strict=True):
        left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
        conditions = np.array(tree["split_conditions"], np.float32)
        values = np.zeros((len(left), classes))
        values[:, 1 if classes == 2 else index] = conditions
        trees.append((np.array(tree["split_indices"]), conditions, left, right, values))
    return pack_trees(trees, scale=1.0, base=_base_scores(learner["learner_model_param"], classes), softmax=True)


def _base_scores(parameters: dict[str, Any], classes: int) -> np.ndarray:
    """Return the logits that a booster starts from; it stores one number or one per class, for two a probability."""
    score = np.atleast_1d(np.array(json.loads(parameters["base_score"]), float))
    if classes == 2:
        return np.array([0.0, np.log(score[0] / (1 - score[0]))])
    return np.broadcast_to(score, (classes,))


def _reporting(line: ProgressLine) -> "xgboost.callback.TrainingCallback":
    import xgboost

    class Reporting(xgboost.callback.TrainingCallback):
        def after_iteration(
            self, model: Any, epoch: int, evals_log: "xgboost.callback.TrainingCallback.EvalsLog"
        ) -> bool:
            (scores,) = evals_log["validation"].values()
            line.report(epoch + 1, detail=f"validation log loss {scores[-1]:.4f}")
            return False

    return Reporting()
