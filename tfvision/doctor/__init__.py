"""What of an installation and a machine stands in the way of a training, and the commands that mend it."""
