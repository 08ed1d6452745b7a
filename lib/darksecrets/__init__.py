"""The library behind the book *Revealing the Dark Secrets of BERT, recomputed*."""

__version__ = "0.1.0"
