"""Sources: what a user points at, as labelled images."""
