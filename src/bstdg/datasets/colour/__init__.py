"""Data sets of small pictures in colour."""
