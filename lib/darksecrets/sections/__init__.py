"""One section of the paper a file: measure, summarize, judge, draw."""
