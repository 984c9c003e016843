"""The `.yoto` file: container, entropy coder and the exact integers that its probabilities come from."""
