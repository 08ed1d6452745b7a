"""Attention maps in, one tidy table out."""
