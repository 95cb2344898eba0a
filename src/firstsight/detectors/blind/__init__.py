"""Blind localization: what the images of a whole collection have in common, and what of an image is not of it."""
