"""Runs on a hub: what of them goes there, and the upload."""
