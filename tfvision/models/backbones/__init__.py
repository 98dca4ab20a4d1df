"""Backbones: facts about every one of them, and their graphs."""
