"""The doctor: what an export needs, tried in seconds and without exporting a day."""
