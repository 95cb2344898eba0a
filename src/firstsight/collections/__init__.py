"""Which images there are: readers, validation, manifest, shards, the demo collection."""
