"""What jobs leave on the disk for other jobs: whole under its name, and checked when it is read."""
