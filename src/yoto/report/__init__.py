"""Reports of sweeps and comparisons: figures, tables and one page, in one shape."""
