"""Shallow classifiers: fitted by scikit-learn or XGBoost on features of a frozen backbone, kept as arrays."""
