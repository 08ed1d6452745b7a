"""Tables in, intervals and verdicts out."""
