"""Tables in, charts and views out."""
