"""From predictions to metrics and pictures."""
