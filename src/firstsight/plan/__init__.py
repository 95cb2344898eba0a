"""What a run will do, known before any job starts: settings, shards, layers, fingerprints, paths. It needs no torch."""
