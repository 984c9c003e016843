"""The applications, siblings that never import each other: `vae`, `codec` and `style`.

Each has the same files: options, network, losses, task, data, pictures, report, commands, page, routes, static. The
rest of the library reaches them through `yoto.registry` alone.
"""
