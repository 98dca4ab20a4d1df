"""Searches: many trainings on the same split, and which options were the best on validation."""
