"""Choosing λ: bounds as people write them, the best of measured points, the search for better ones."""
