"""A probing run: what a network's layers do with a batch, learned from an example of its inputs.

The network runs as a copy of its own, in evaluation mode and in float64 where that works: once on the example, once for
each of up to three samples with that sample in another's place (of the first its masks and lengths change too), and
once or twice with a sample more; again in its own type where float64 fails. Buffers, modes and random states of the
network stay as they are. What a run leaves behind in the network (hidden states) is put back before the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch._C._functorch import get_unwrapped, is_functorch_wrapped_tensor, is_gradtrackingtensor
from torch.utils import _pytree as pytree

from yoto.conditioning.copies import copied, double, doubled
from yoto.conditioning.evidence import Call, common_layouts
from yoto.conditioning.examples import disturbed, filled, longer, replaced, sample_count, varied
from yoto.conditioning.layouts import SampleLayout
from yoto.conditioning.reads import Reads
from yoto.conditioning.rewriting import refuse_changes, refuse_moves, refuse_new
from yoto.conditioning.state import State
from yoto.conditioning.taps import End, remove_all, tap
from yoto.errors import YotoError
from yoto.support.graphs import without_graph
from yoto.support.outputs import consumed, tensors_in
from yoto.support.seeds import seed_all, streams_kept

OUTPUTS = "outputs of yoto"
"""Name of the network's own outputs among the calls of a run; no layer can have it."""
CHANGED = 1e-9
"""Relative change of an output, in float64, from which on it counts as one; a thousandfold in float32."""


@dataclass
class Found:
    """What a probing run learned.

    Attributes:
        calls: Of every layer that was asked about and ran, by name.
        layouts: Of every layer that ran: its layouts, or why a λ per sample cannot reach it.
        alike: Layers whose outputs hold the samples, which are all alike there.
        read: Layers whose parameters are used elsewhere than in their calls.
        outputs: The tensors that the network gave, as calls.
        places: Where they hold the samples; None for one that does not, or mixes them.
        numbers: The samples that were replaced.
        shadow: The copy of the network that ran; `again(net)` runs another one in the same way, on `example`, and
            `filled(net, number)` on that sample in the place of all.
    """

    shadow: nn.Module
    again: Callable[[nn.Module], dict[str, list[Call]]]
    filled: Callable[[nn.Module, int], dict[str, list[Call]]]
    example: Any
    tolerance: float
    samples: int
    batch_dim: int
    numbers: Sequence[int]
    calls: dict[str, list[Call]]
    outputs: list[Call]
    places: list[SampleLayout | None] = field(default_factory=list)
    layouts: dict[str, tuple[SampleLayout, ...] | str] = field(default_factory=dict)
    alike: set[str] = field(default_factory=set)
    read: set[str] = field(default_factory=set)

    def known(self) -> dict[str, tuple[SampleLayout, ...]]:
        """The layouts of the layers that a λ per sample can reach."""
        return {name: layouts for name, layouts in self.layouts.items() if isinstance(layouts, tuple)}

    def unusual(self, names: Sequence[str], batch_dim: int) -> dict[str, tuple[SampleLayout, ...]]:
        """The layouts of those layers whose outputs do not just hold one entry per sample along `batch_dim`."""
        known = {name: self.layouts.get(name) for name in names}
        return {
            name: layouts
            for name, layouts in known.items()
            if isinstance(layouts, tuple) and any((e.axis, e.order) != (batch_dim, "plain") for e in layouts)
        }


@contextmanager
def recording(net: nn.Module, names: Sequence[str], into: dict[str, list[Call]], inputs: bool) -> Iterator[None]:
    """A block in which the calls of layers are kept, by the layer's name."""

    def keep(name: str) -> End:
        def end(args: Any, kwargs: Any, output: Any) -> None:
            output = peeled(output)
            if isinstance(output, Tensor) and is_functorch_wrapped_tensor(output):
                into.setdefault(name, [])
            elif isinstance(output, Tensor) and (output.is_floating_point() or output.is_complex()):
                given = pytree.tree_map_only(Tensor, detached, (args, kwargs)) if inputs else ((), {})
                into.setdefault(name, []).append(Call(given[0], given[1], output.detach(), output.detach().clone()))

        return end

    taps = [tap(net.get_submodule(n), keep(n)) for n in names]
    try:
        yield
    finally:
        remove_all(taps)


def peeled(value: Any) -> Any:
    """A tensor without the wrappers of `torch.func.jvp`, `grad` and `vjp`, in which its entries are what they are."""
    while isinstance(value, Tensor) and is_gradtrackingtensor(value):
        value = get_unwrapped(value)
    return value


def detached(value: Tensor) -> Tensor:
    """A tensor that a layer got, without its graph."""
    result: Tensor = peeled(value).detach()
    return result


def run(
    net: nn.Module,
    leaves: Sequence[Any],
    spec: Any,
    names: Sequence[str],
    inputs: bool,
    state: State | None = None,
) -> dict[str, list[Call]]:
    """The calls of layers in one run with fixed random numbers.

    Args:
        state: What the run begins with, and what is put back after it.
    """
    into: dict[str, list[Call]] = {}

    def call() -> None:
        into.clear()
        if state is not None:
            state.put_back()
        args, kwargs = pytree.tree_unflatten([own(leaf) for leaf in leaves], spec)
        seed_all(0)
        given = tensors_in(consumed(net(*args, **kwargs)))
        into[OUTPUTS] = [Call((), {}, t, t.detach().clone()) for t in given if comparable(t)]

    try:
        with streams_kept(), recording(net, names, into, inputs):
            without_graph(call)
    finally:
        if state is not None:
            state.put_back()
    return into


def comparable(output: Tensor) -> bool:
    """Whether a network's output holds numbers whose changes show."""
    dense = output.layout == torch.strided and not output.is_nested and not is_functorch_wrapped_tensor(output)
    return dense and (output.is_floating_point() or output.is_complex())


def own(leaf: Any) -> Any:
    """A copy of an input, which the network may change in place."""
    return leaf.detach().clone().requires_grad_(leaf.requires_grad) if isinstance(leaf, Tensor) else leaf


def does_not_run(on: str, error: Exception, wide: Exception | None = None) -> YotoError:
    """What is said of a network that fails on inputs, and failed in float64 before."""
    said, before = (
        "" if each is None else f"{type(each).__name__}: {' '.join(str(each).split())[:200]}" for each in (error, wide)
    )
    if before not in ("", said):
        said = f"{before} (in float64), {said} (in its own type)"
    return YotoError(f"The network should run on {on}. Found {said}")


def probe(
    net: nn.Module,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    batch_dim: int,
    names: Sequence[str],
    samples: int | None = None,
) -> Found:
    """Learn from one example what the layers do with its samples.

    Args:
        net: The plain network.
        args, kwargs: The example's inputs, with at least two samples.
        batch_dim: The axis of the inputs that holds the samples.
        names: Which layers.
        samples: How many the example holds, if not as many as its first tensor.

    Raises:
        YotoError: If the network cannot be run on the example, or it holds fewer than two samples.
    """
    leaves, spec = pytree.tree_flatten((tuple(args), dict(kwargs)))
    samples = sample_count(leaves, batch_dim) if samples is None else samples
    if samples < 2:
        raise YotoError(
            f"`example` should hold at least two samples along axis {batch_dim} of its inputs. Found {samples}."
        )
    if any(isinstance(leaf, Tensor) and leaf.is_nested for leaf in leaves):
        raise YotoError("`example` should hold dense tensors. Found a nested one. Give samples of one length.")
    leaves = varied(leaves, batch_dim, samples)
    shadow, tolerance = copied(net), CHANGED
    try:
        shadow = double(shadow)
        begun = State(shadow)
        wide = [doubled(leaf) if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        with Reads(shadow) as reads:
            base = run(shadow, wide, spec, names, inputs=True)
        leaves = wide
    except Exception as wide_error:  # noqa: BLE001 - a network may insist on its own type anywhere
        shadow, tolerance = copied(net), CHANGED * 1000
        begun = State(shadow)
        try:
            with Reads(shadow) as reads:
                base = run(shadow, leaves, spec, names, inputs=True)
        except Exception as error:  # noqa: BLE001
            raise does_not_run("`example`", error, wide_error) from None
    refuse_moves(shadow, names)
    refuse_new(net, shadow)
    refuse_changes(net, shadow, partial(run, leaves=leaves, spec=spec, names=(), inputs=False))
    state = None
    if begun.changed():  # what the first run leaves behind (hidden states, a flag) all others begin with
        state = State(shadow)
        settled = tried(shadow, leaves, spec, names, state, inputs=True)
        base, state = (settled, state) if settled else (base, None)
    again = partial(run, spec=spec, names=names, inputs=False, state=state)
    numbers = sorted({0, 1, samples - 1})
    try:
        others = {n: again(shadow, replaced(leaves, batch_dim, samples, n)) for n in numbers}
    except Exception as error:  # noqa: BLE001
        raise does_not_run("`example` with a sample in its neighbour's place too", error) from None
    more = disturbed(replaced(leaves, batch_dim, samples, 0), batch_dim, samples)
    others |= {0: tried(shadow, more, spec, names, state) or others[0]} if more else {}
    grown = []
    for number in (None, 0) if samples == 2 else (None,):
        more = longer(leaves, batch_dim, samples, number)
        seen_there = tried(shadow, more, spec, names, state)
        if state is not None and not seen_there:  # of B samples are the hidden states too
            seen_there = tried(shadow, more, spec, names, begun)
            state.put_back()
        grown.append(seen_there)
    given = pytree.tree_unflatten(list(leaves), spec)
    outputs = base.pop(OUTPUTS)
    found = Found(
        shadow,
        partial(again, leaves=leaves),
        lambda net, number: again(net, filled(leaves, batch_dim, samples, number)),
        given[0] or given[1],
        tolerance,
        samples,
        batch_dim,
        numbers,
        base,
        outputs,
        read=reads.names,
    )
    for name, calls in base.items():
        seen = {n: other.get(name, []) for n, other in others.items()}
        grew = [each.get(name, []) for each in grown]
        found.layouts[name], alike = common_layouts(calls, seen, grew, samples, tolerance)
        if alike:
            found.alike.add(name)
    for index, call in enumerate(outputs):
        seen = {n: other[OUTPUTS][index : index + 1] for n, other in others.items()}
        layouts, alike = common_layouts([call], seen, [], samples, tolerance)
        found.places.append(None if alike or isinstance(layouts, str) else layouts[0])
    return found


def tried(
    net: nn.Module,
    leaves: Sequence[Any],
    spec: Any,
    names: Sequence[str],
    state: State | None = None,
    inputs: bool = False,
) -> dict[str, list[Call]]:
    """A run on other inputs; no calls where it fails, since a network may insist on its batch."""
    try:
        return run(net, leaves, spec, names, inputs, state)
    except Exception:  # noqa: BLE001 - whatever a network's own parts raise
        return {}
