"""What every room needs: files, schemas, seeds, cores, precision."""
