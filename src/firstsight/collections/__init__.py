"""Which images there are: readers, validation, the manifest, shards and the demo collection."""
