"""What `yoto sweep` measures of a codec: the files that it writes, beside the classic ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from yoto.cli.output import bar, note, print_json, table

if TYPE_CHECKING:
    from yoto.bundle import Header
    from yoto.cli.sweep import Asked
    from yoto.recipe import Recipe


def sweep(header: Header, recipe: Recipe, folder: Path, asked: Asked) -> None:
    """Measure a codec by its files, and write and print what came of it."""
    from yoto.data.photographs import photographs_of

    chosen = photographs_of(recipe.options.get("data"), asked.split, any_folder=True)[: asked.limit]

    import torch

    from yoto.apps import codec
    from yoto.apps.codec import report
    from yoto.apps.codec.rate_distortion import QUALITIES, evaluate
    from yoto.training.machine import describe_machine

    qualities = QUALITIES if asked.grid is None else [100 * i / max(1, asked.grid - 1) for i in range(asked.grid)]
    facts = {
        "model": recipe.name,
        "split": asked.split,
        "machine": describe_machine(torch.device("cpu")),
        "threads": torch.get_num_threads(),
        "fingerprint": header.info.get("fingerprint"),
        "trained": header.info,
    }
    model = codec.load(header.path)
    result = evaluate(model, chosen, qualities=qualities, progress=bar(), info=facts)
    written = report.write_report(result, folder)
    if asked.as_json:
        print_json(result.to_dict())
        return
    rates = result.rates()
    print(table(["codec", "BD-rate, %"], [[name, rate] for name, rate in rates.items()]))
    note(f"{folder}: {', '.join(path.name for path in written)}")
