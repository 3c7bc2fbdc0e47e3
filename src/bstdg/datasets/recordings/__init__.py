"""Recordings of events: in HDF5, in a process of their own, and as event cameras write them."""
