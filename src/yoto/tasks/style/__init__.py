"""Fast style transfer: content against style per group of layers, smoothness and a bank of paintings.

`options` can be imported without torch; `task.StyleTask` is the task itself. Pictures are painted by `yoto.stylize`,
which takes the networks of this package.
"""
