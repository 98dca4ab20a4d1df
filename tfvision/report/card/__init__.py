"""The model card: MODEL_CARD.md of a run."""
