"""Notebooks in, book out."""
