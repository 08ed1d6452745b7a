"""Text in, labelled examples out."""
