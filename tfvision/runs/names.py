"""Names of the files in a run folder."""

CONFIG = "config.yaml"

SPLITS = "splits.csv"

HISTORY = "history.csv"

MODEL = "model.keras"

SUMMARY = "summary.txt"

PREDICTIONS = "predictions.csv"

VOTES = "held_out.csv"  # of the models of several folds, beside their runs

METRICS = "metrics.json"

ENVIRONMENT = "environment.json"

PLOTS = "plots"

REPORT = "report.html"

DECISION = "decision.json"

PSEUDO_LABELS = "pseudo_labels.csv"

PSEUDO_RESULTS = "pseudo_labels.json"

SUPERVISED = "model_before.keras"  # the best model without pseudo-labels

CANDIDATES = "candidates.csv"  # of a shallow classifier: what was tried, by validation

COMPARISON = "comparison.csv"  # of several runs

LOCK = ".lock"  # while a process trains there

CHECKPOINTS = "checkpoints"

TENSORBOARD = "tensorboard"
