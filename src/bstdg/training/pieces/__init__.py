"""Training on data that may be larger than memory."""
