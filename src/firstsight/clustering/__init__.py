"""From anomaly maps to regions, descriptors and kinds of anomaly."""
