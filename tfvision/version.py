"""The version of tfvision."""

__version__ = "0.1.0"
