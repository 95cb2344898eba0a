"""Blind localization: what the images of a collection have in common, and which parts of an image do not belong."""
