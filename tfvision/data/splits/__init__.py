"""Train, validation and test, and folds."""
