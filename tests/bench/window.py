"""The window that every contender but the exporter asks for: the whole day."""

WINDOW = {"start": "20251106T00", "end": "20251106T23"}
