"""Sources: from the path that a user gives to labelled images."""
