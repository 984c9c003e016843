"""Options that several commands share, with their completions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from yoto.task import SPLITS


def recipe_names(incomplete: str) -> list[str]:
    """Recipes of the package, for shell completion."""
    from yoto import recipe

    return [name for name in recipe.shipped() if name.startswith(incomplete)]


def model_names(incomplete: str) -> list[str]:
    """Bundled and local models, for shell completion."""
    from yoto import bundle

    return [name for name in (*bundle.bundled(), *bundle.local()) if name.startswith(incomplete)]


RecipeArgument = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE", help="A recipe of the package (vae/digits) or a YAML file.", autocompletion=recipe_names
    ),
]
SettingsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Changes to the recipe, such as training.steps=500.", show_default=False),
]
TaskName = Annotated[
    str | None,
    typer.Option("--task", metavar="MODULE:CLASS", help="A task of your own, in place of the recipe's or model's."),
]
NetName = Annotated[
    str | None,
    typer.Option(
        "--net", metavar="MODULE:NAME", help="Makes the plain network of a model of your own loop: a class or function."
    ),
]
ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN|MODEL",
        help="A run's folder, a model file or the name of a model.",
        autocompletion=model_names,
    ),
]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="Where the result goes.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an output that exists.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DataFolder = Annotated[
    str | None, typer.Option("--data", metavar="DIR", help="Folder of the data set, instead of YOTO_DATA.")
]
Split = Annotated[str, typer.Option("--split", metavar="|".join(SPLITS), help="Which part of the data.")]
Limit = Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="The first N examples only.")]
NoiseSeed = Annotated[int | None, typer.Option("--seed", metavar="S", help="Of the model's noise.")]
Model = Annotated[
    str | None,
    typer.Option("--model", metavar="MODEL", help="A model's name or file.", autocompletion=model_names),
]
Beta = Annotated[str, typer.Option("--beta", metavar="B[,B…]", help="Weight of the KL term, one or several.")]
