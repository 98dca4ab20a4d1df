"""Seeds: the same training once for each of several seeds."""
