"""Learned image compression: distortion against rate, with their ratio as the free loss parameter.

`options` can be imported without torch; `task.CompressionTask` is the task itself. Files are written and read by
`yoto.codec`, which takes the networks of this package.
"""
