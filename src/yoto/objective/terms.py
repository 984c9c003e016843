"""What gives the loss terms: a function of two or three arguments, or a task; and what it must give."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

from torch import Tensor, nn

from yoto.errors import YotoError
from yoto.space.terms import check_terms

Terms: TypeAlias = "Callable[[Any, Any, Tensor], Mapping[str, Tensor]]"
"""`terms(net, batch, at)`: loss terms by name, each [B], of a network that is bound at λ."""
TermsLike: TypeAlias = "Callable[..., Mapping[str, Tensor]] | Any"
"""`Terms`, the same without its last argument, or an object whose method `terms` is such a function (a task)."""


def terms_function(terms: TermsLike) -> Terms:
    """What the user gave, as a function of network, batch and λ that returns a checked mapping.

    Raises:
        YotoError: If it is no such thing; when called, if what it returns is not named tensors.
    """
    function = getattr(terms, "terms", terms)
    if not callable(function):
        raise YotoError(
            "`terms` should be a function terms(net, batch) or terms(net, batch, at), or an object with such a "
            f"method. Found {type(terms).__name__}."
        )
    return partial(named_terms, with_lambda(function, "terms"))


def with_lambda(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A function of (net, batch) or (net, batch, at) as one of (net, batch, at).

    Raises:
        YotoError: If it takes another number of arguments.
    """
    try:
        called = function.forward if isinstance(function, nn.Module) else function
        parameters = inspect.signature(called).parameters.values()
    except (TypeError, ValueError):  # compiled, without a signature
        return function
    by_place = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p for p in by_place if p.default is p.empty]
    bound = function.keywords if isinstance(function, partial) else {}
    named = [
        p.name
        for p in parameters
        if p.kind is p.KEYWORD_ONLY and p.name not in bound and (p.default is p.empty or p.name == "at")
    ]
    any_number = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if len(needed) > 3 or (len(by_place) < 2 and not any_number) or set(named) - {"at"}:
        raise YotoError(
            f"`{name}` should take (net, batch) or (net, batch, at). Found the arguments "
            f"({', '.join(p.name for p in parameters)})."
        )
    if named:
        return partial(by_keyword, function)
    third = by_place[2:3]
    if any_number or (third and (third[0].default is third[0].empty or third[0].name == "at")):
        return function
    return partial(two_of_three, function)


def by_keyword(function: Callable[..., Any], net: Any, batch: Any, at: Tensor) -> Any:
    """The function of network and batch, with λ by its name."""
    return function(net, batch, at=at)


def two_of_three(function: Callable[..., Any], *given: Any) -> Any:
    """The function of network and batch, without λ."""
    return function(*given[:2])


def named_terms(function: Callable[..., Any], net: Any, batch: Any, at: Tensor) -> Mapping[str, Tensor]:
    """What a function gives, if it is named tensors."""
    found: Mapping[str, Tensor] = check_terms(function(net, batch, at))
    return found
