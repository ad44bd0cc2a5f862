"""A person across the whole archive: found, and forgotten."""
