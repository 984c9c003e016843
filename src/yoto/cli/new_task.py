"""`yoto new-task`."""

from __future__ import annotations

import keyword
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from yoto.cli import checks
from yoto.cli.options import Force
from yoto.cli.output import note
from yoto.support.files import write_atomic

MODEL = "smoothing"
"""Name of the files in `assets/new_task`, which stands in them too."""
FIRST_STEPS = (
    "yoto train {name}.yaml {task}",
    "yoto sweep runs/{name} {task}",
    "yoto compare {name}.yaml {task}",
    "yoto export runs/{name} -o {name}.onnx {task}",
    "yoto demo runs/{name} {task}",
)


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("new-task")(new_task)


def new_task(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the module, such as denoising.")],
    force: Force = False,
) -> None:
    """Write a task to begin with, and its recipe.

    NAME.py holds a whole task that runs: network, data, loss terms, a metric, a picture. Put yours in their
    place. NAME.yaml is its recipe.

    \b
    yoto new-task denoising
    """
    if not name.isidentifier() or keyword.iskeyword(name) or name.lower() != name:
        raise checks.UsageError(f"NAME should be a module's name in small letters, such as denoising. Found {name!r}")
    if (other := taken(name)) is not None:
        raise checks.UsageError(f"NAME should be no module that there is already. Found {name!r}, which is {other}")
    kind = "".join(part.capitalize() for part in name.split("_"))
    outputs = [Path(f"{name}.py"), Path(f"{name}.yaml")]
    for output in outputs:
        checks.output_file(output, force=force)
    for output in outputs:
        text = (files("yoto") / "assets" / "new_task" / f"{MODEL}{output.suffix}").read_text("utf-8")
        write_atomic(output, text.replace(MODEL.capitalize(), kind).replace(MODEL, name))
        print(output)
    note("next:")
    for line in FIRST_STEPS:
        note(f"  {line.format(name=name, task=f'--task {name}:{kind}')}")


def taken(name: str) -> str | None:
    """What `import NAME` finds that is not the file to be written; it would be found in place of that. None if free."""
    package = Path(name) / "__init__.py"
    if package.exists():
        return f"the package {str(package)!r}"
    spec = find_spec(name)
    if spec is None or spec.origin is None or Path(spec.origin) == Path(f"{name}.py").absolute():
        return None
    return spec.origin if Path(spec.origin).exists() else "a part of Python"
