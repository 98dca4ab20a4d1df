"""Options: declared once as fields of dataclasses, read from YAML and from flags."""
