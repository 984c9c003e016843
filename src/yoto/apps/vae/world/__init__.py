"""The shapes world: rendered pictures with six known factors."""
