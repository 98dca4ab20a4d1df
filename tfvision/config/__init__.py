"""Options: declared once, as fields of dataclasses, and read from YAML and from flags."""
