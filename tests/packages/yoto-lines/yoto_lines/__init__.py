"""An application in a package of its own: noisy lines, fitted closely or smoothly."""

from yoto.registry import Application

APPLICATION = Application(
    task="yoto_lines.task:Lines",
    options="yoto_lines.options:Options",
    commands="yoto_lines.commands:register",
    page="yoto_lines.page:LinesPage",
    routes="yoto_lines.routes:add",
    package="yoto_lines",
)
