"""One file a method: features (or pixels) of one image to one anomaly map."""
