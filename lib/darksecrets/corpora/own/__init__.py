"""Labelled text of one's own: read from a file or data set, and made into examples like those of GLUE."""
