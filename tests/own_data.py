"""Labelled text of one's own, from file to examples."""

from darksecrets.corpora.own import examples, files


def load(source, labels, split="", format="", **given):
    """Read a file or data set and make examples of it, as the report on a model of one's own does."""
    return examples.of_table(files.read(source, split, format), labels, **given)
