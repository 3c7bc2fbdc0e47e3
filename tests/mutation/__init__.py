"""Tests of the tests: the package is broken on purpose, a spot at a time, and each break has to make a test fail."""
