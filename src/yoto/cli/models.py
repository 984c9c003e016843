"""`yoto models` and `yoto export`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from yoto.cli import checks, tasks
from yoto.cli.options import Force, Json, ModelArgument, NetName, Output, TaskName
from yoto.cli.output import print_json, table
from yoto.registry import find, imported
from yoto.support.formats import FORMATS

if TYPE_CHECKING:
    from yoto.bundle import Bundle, Header
    from yoto.space import LossSpace


COLUMNS, NARROWEST = 100, 16
"""Width of the table, unless a model's name is very long, and of a cell that is shortened at least."""


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("models")(models)
    app.command("export")(export)


def models(as_json: Json = False) -> None:
    """List the bundled and local models.

    Local ones are those in the folder YOTO_MODELS and the finished runs in ./runs.

    Figures are the means of the loss terms at both ends of the model's trade-off curve, where it carries one. What does
    not fit into a line is in --json.
    """
    from yoto import bundle

    found = bundle.listing()
    if as_json:
        print_json([entry(name, bundled, header) for name, bundled, header in found])
        return
    if not found:
        print("no models yet: yoto train vae/digits makes one")
        return
    first = [(name, "bundled" if bundled else "local", size(header.size)) for name, bundled, header in found]
    rest = COLUMNS - sum(max(map(len, column)) + 2 for column in zip(("name", "where", "size"), *first, strict=True))
    last = [shortened(figures(header.curve), rest // 2) for _, _, header in found]
    rest -= max(len("figures"), *(len(text) for text in last)) + 2
    middle = [shortened(trained_for(header), rest) for _, _, header in found]
    rows = [(*each, *texts) for each, *texts in zip(first, middle, last, strict=True)]
    print(table(("name", "where", "size", "trained for", "figures"), rows))


def entry(name: str, bundled: bool, header: Header) -> dict[str, Any]:
    """A model as JSON."""
    return {
        "name": name,
        "path": str(header.path),
        "bundled": bundled,
        "bytes": header.size,
        "parameters": header.parameters,
        "task": header.task,
        "conditional": header.conditioning is not None,
        "space": header.space.to_dict(),
        "recipe": header.recipe,
        "curve": header.curve,
        "info": header.info,
        "objective": header.objective,
        "directions": header.directions,
    }


def size(count: int) -> str:
    """Bytes for people."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def shortened(items: list[str], width: int) -> str:
    """Items with commas, as many as fit into a width (at least one), and an ellipsis for the rest.

    >>> shortened(["kl 0.5 to 128", "fine 1 to 2"], 20), shortened([], 20)
    ('kl 0.5 to 128, …', '-')
    """
    width = max(width, NARROWEST)
    text = ", ".join(items) or "-"
    while len(text) > width and len(items) > 1:
        items = items[:-1]
        text = ", ".join(items) + ", …"
    return text if len(text) <= width else text[: width - 1] + "…"


def trained_for(header: Header) -> list[str]:
    """The range of every free parameter, or the values of a network trained at fixed weights."""
    if header.conditioning is None:
        fixed = (header.recipe or {}).get("fixed") or {}
        return [", ".join(f"fixed {name}={value}" for name, value in fixed.items()) or "one setting"]
    return [extent(header.space, name) for name in header.space.free]


def extent(space: LossSpace, name: str) -> str:
    """A free parameter and its ends, or its names where it is a choice."""
    arguments = space.parameters[name].to_dict()
    if "low" in arguments:
        return f"{name} {arguments['low']:g} to {arguments['high']:g}"
    return f"{name} of {', '.join(map(str, arguments.get('options') or arguments.get('terms') or ()))}"


def figures(curve: dict[str, Any] | None) -> list[str]:
    """The loss terms at the first and the last point of a curve."""
    terms = (curve or {}).get("terms", {})
    return [f"{name} {values[0]:.4g} to {values[-1]:.4g}" for name, values in terms.items()]


def export(
    model: ModelArgument,
    output: Output,
    at: Annotated[
        list[str] | None,
        typer.Option("--at", metavar="NAME=VALUE", help="Bake the network at one λ, such as kl=4; else λ is an input."),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option("--format", metavar="onnx|pt2|safetensors", help="[default: by the suffix of OUT]"),
    ] = None,
    method: Annotated[
        str, typer.Option("--method", metavar="NAME", help="Which method of the network, such as decode.")
    ] = "forward",
    per_batch: Annotated[
        bool, typer.Option("--per-batch", help="λ as one row for the whole batch, in place of one per sample.")
    ] = False,
    task: TaskName = None,
    net: NetName = None,
    force: Force = False,
) -> None:
    """Write a model for other programs.

    As ONNX, a torch.export program or plain weights. With --at the result is an ordinary network at that λ, of the
    cost of an unconditional one; without it λ is an input, one row per sample. ONNX and pt2 hold one method of the
    network, with the batch size open. What inputs, outputs and λ are is said in the file's metadata, as JSON under
    "yoto". An application may write a network of its own form.

    \b
    yoto export runs/digits -o decoder.onnx --method decode
    yoto export vae/fashion-mnist -o beta4.safetensors --at kl=4
    yoto export mine.safetensors -o mine.onnx --net my_module:Network
    """
    from yoto import bundle

    header = bundle.read_header(model)
    kind = kind or FORMATS.get(output.suffix.lower())
    if kind is None:
        raise checks.UsageError(f"-o should end in {', '.join(FORMATS)} without --format. Found {str(output)!r}")
    checks.choice(kind, list(FORMATS.values()), "--format")
    point = checks.point(at or [], "--at")
    if point:
        if header.conditioning is None:
            raise checks.UsageError(f"--at is for models with a range of λ. Found {str(model)!r}, trained for one")
        header.space.check(point)
    elif kind == "safetensors" and header.conditioning is not None:
        raise checks.UsageError(f"--format safetensors needs --at, such as --at {header.space.free[0]}=…")
    if per_batch and (point or header.conditioning is None or kind == "safetensors"):
        raise checks.UsageError("--per-batch is for files that have λ as an input: ONNX or pt2 without --at")
    tasks.check_names(task, net)
    checks.output_file(output, force=force)

    application = find(header.task)
    exporter = application.exporter if application is not None and header.conditioning is not None else None
    if exporter is not None and kind == "onnx" and not point:
        if method != "forward" or per_batch:
            given = "--per-batch" if per_batch else f"--method {method}"
            raise checks.UsageError(f"this network has one form, whose λ is one row: leave out {given}")
        print(imported(exporter, "Exporter")(header.path, output))
        return
    from yoto.export import export as write
    from yoto.export.write import save_weights

    facts: dict[str, Any] = {"task": header.task, **({"at": point} if point else {})}
    from_file = header.conditioning is None or (header.layers and not header.task and task is None)
    if kind == "safetensors" and from_file:  # whatever network it is
        state = bundle.baked_state(header.path, point) if point else bundle.read_state(header.path)[0]
        save_weights(state, output, facts)
        print(output)
        return
    if header.recipe is not None and net is None:
        tasks.check_known(header.task, task, header.task_class, ("export", model, "-o", str(output)))
    if task is None and net is None and not header.task:
        raise checks.UsageError(
            f"{str(model)!r} names no task that knows its network: give --net MODULE:CLASS, which makes it. Weights at "
            "one λ need none: --format safetensors --at …"
        )
    own = tasks.make_task(task, (header.recipe or {}).get("options"))
    loaded = bundle.load(header.path, task=own, net=tasks.make_net(net))
    network = loaded.conditional.bake(header.space.point(point)) if point else loaded.model
    inputs, dynamic = (None, None) if kind == "safetensors" else example_inputs(loaded, method)
    write(
        network,
        output,
        inputs,
        format=kind,  # type: ignore[arg-type]
        method=method,
        dynamic=dynamic,
        per_batch=per_batch,
        facts=facts,
    )
    print(output)


def example_inputs(loaded: Bundle, method: str) -> tuple[dict[str, Any], dict[str, dict[int, str]] | None]:
    """Example inputs of a method of a model's network, from its file or its task, and their open axes.

    Raises:
        UsageError: If neither has any.
    """
    from yoto.task import complete

    stored = loaded.example if method == "forward" else None
    if stored is not None:
        return stored, None
    if loaded.task is None:
        raise checks.UsageError(
            f"{str(loaded.header.path)!r} holds no example inputs of {method!r}: save it with yoto.save(…, example=…), "
            "which are those of 'forward', or use yoto.export.export in Python"
        )
    whole = complete(loaded.task)
    inputs: dict[str, Any] = dict(whole.examples(method))
    return inputs, whole.dynamic(method) if inputs else None
