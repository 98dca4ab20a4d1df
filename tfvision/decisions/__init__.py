"""Decisions: from probabilities to classes, chosen on validation."""
