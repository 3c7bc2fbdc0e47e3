"""Data that may be larger than memory: arrays on disk and folders of pictures, read some samples at a time."""
