"""Checks of networks that other people wrote; `benchmarks/networks.py`, which has the same name, must not hide them."""
