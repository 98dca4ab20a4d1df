"""Sending runs to trackers (TensorBoard, MLflow, Weights & Biases): from the run folder, in a process of their own."""
