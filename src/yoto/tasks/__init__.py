"""The built-in tasks, siblings that never import each other: `vae`, and later `compression` and `style`."""
