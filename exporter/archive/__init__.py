"""A ZIP archive becomes proven lines."""
