"""Cross-validation: a run for each fold, and each image predicted unseen."""
