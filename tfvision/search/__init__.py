"""Searches: many trainings on the same split, and which options did best on validation."""
