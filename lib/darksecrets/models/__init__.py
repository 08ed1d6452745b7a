"""Checkpoint in, attention maps and predictions out."""
