"""Data sets of signals, which are pictures of one row."""
