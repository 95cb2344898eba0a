"""Tables, overlays and the page."""
