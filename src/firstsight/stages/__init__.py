"""What a rule does, start to end; callable from Python, from tests and from the workflow."""
