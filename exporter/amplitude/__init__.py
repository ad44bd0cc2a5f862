"""Amplitude's Export API: asked, retried, understood."""
