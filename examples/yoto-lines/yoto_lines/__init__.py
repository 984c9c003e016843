"""An application in a package of its own, the least that has everything: noisy lines, fitted closely or smoothly.

pip install -e examples/yoto-lines
yoto train lines/mini
python scripts/bundle.py runs/mini lines/mini    # the command and the page want a model of this name
yoto line 0.1,0.4,0.2,0.5,0.3,0.6,0.4,0.7 --roughness 10
yoto demo
"""

from yoto.registry import Application

APPLICATION = Application(
    task="yoto_lines.task:Lines",
    options="yoto_lines.options:Options",
    commands="yoto_lines.commands:register",
    page="yoto_lines.page:LinesPage",
    routes="yoto_lines.routes:add",
    package="yoto_lines",
)
