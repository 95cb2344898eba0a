"""What was found in a collection, in the file formats of other programs: one file a format."""
