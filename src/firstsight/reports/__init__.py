"""Overlays, the page, side-by-side comparisons and exports to other formats."""
