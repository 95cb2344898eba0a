"""What jobs leave on disk for other jobs: complete under its final name, and checked when it is read."""
