"""Names of the files in a run folder."""

CONFIG = "config.yaml"
SPLITS = "splits.csv"
DATA_FACTS = "data.json"  # what the images are, and what of them was dropped or guessed
HISTORY = "history.csv"
MODEL = "model.keras"
ENSEMBLE = "ensemble.json"  # in place of a model: its members, and how they are combined
SUMMARY = "summary.txt"
PREDICTIONS = "predictions.csv"
METRICS = "metrics.json"
ENVIRONMENT = "environment.json"
REPORT = "report.html"
CARD = "MODEL_CARD.md"
MISTAKES = "mistakes.csv"  # the worst; each has its picture in PLOTS / MISTAKES_FOLDER
DECISION = "decision.json"
PSEUDO_LABELS = "pseudo_labels.csv"
PSEUDO_RESULTS = "pseudo_labels.json"
SUPERVISED = "model_before.keras"  # the best model without pseudo-labels
CANDIDATES = "candidates.csv"  # the settings tried for a shallow classifier, with their validation scores
CORRUPTION_SCORES = "corruptions.json"  # after `evaluate --corrupt`; its table is corruptions.csv
CERTIFICATES = "certify.json"  # after `certify`; its table is certify.csv
ATTACK_SCORES = "attack.json"  # after `attack`
ATTACK_TABLE = "attack.csv"
CHECKPOINTS = "checkpoints"
TENSORBOARD = "tensorboard"
RATES = "learning_rates.json"  # the sweeps by which learning rates were found; of `lr-find` also as a table
RATES_TABLE = "learning_rates.csv"
TRACKING = "tracking"  # what each tracker has of the run
LOCK = ".lock"  # held while a process trains there
WRITING = ".writing.lock"  # held while files that belong together are written

# In a folder that holds several runs.
COMPARISON = "comparison.csv"
COMPARISON_PLOT = "comparison.svg"
FOLDS_TABLE = "crossval.csv"
SEEDS = "seeds.yaml"  # the seeds of `train --seeds`, and the options that all of them share
SEEDS_TABLE = "seeds.csv"
CURVE_OPTIONS = "learning_curve.yaml"  # the options of each training of a learning curve
CURVE = "learning_curve.json"
CURVE_TABLE = "learning_curve.csv"
TEXTURE = "texture.json"  # its table and picture are texture.csv and texture.png
VOTES = "held_out.csv"  # votes of the models of all folds

PLOTS = "plots"

# Pictures in PLOTS.
LEARNING_CURVES = "learning_curves.svg"
RATE_CURVES = "learning_rates.svg"
CURVE_PLOT = "learning_curve.svg"  # a score against the number of training images
CONFUSION_MATRIX = "confusion_matrix.svg"
PRECISION_RECALL = "precision_recall.svg"
ROC = "roc.svg"
CALIBRATION_CURVE = "calibration.svg"
CLASS_SAMPLES = "class_samples.png"
AUGMENTED_SAMPLES = "augmented_samples.png"
WORST_MISTAKES = "worst_mistakes.png"
MISTAKES_FOLDER = "mistakes"
IOU_HISTOGRAM = "iou_histogram.svg"
BOX_SAMPLES = "box_samples.png"
WORST_BOXES = "worst_boxes.png"
CALIBRATION_AFTER = "calibration_after.svg"  # after a decision
CORRUPTION_CURVES = "corruptions.svg"
CORRUPTION_SAMPLES = "corruptions_samples.png"
CERTIFIED_CURVE = "certify.svg"
ATTACK_CURVES = "attack.svg"
ATTACK_IMAGES = "attack_images.png"
ATTACK_PATCH = "attack_patch.png"
