"""Every raw event of an Amplitude project, day by day, unchanged and provably complete."""

__version__ = "0.1.0"
