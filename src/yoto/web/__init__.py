"""The web page with the sliders: a small server for this machine, and pages without a line from anywhere else.

`server.create` builds the application, `serve.run` starts it, `static_copy.write_copy` makes a copy that needs no
server. Importing the package imports neither torch nor the web framework.
"""
