"""Recordings of events in HDF5: who reads them, and in which process."""
