"""Copies of images: exact and near duplicates."""
