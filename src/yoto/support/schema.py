"""Checking mappings against pydantic schemas, with errors of one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from yoto.errors import YotoError, near_misses
from yoto.support.extras import needed

with needed("A schema of options"):
    from pydantic import BaseModel, ValidationError

S = TypeVar("S", bound=BaseModel)


def fields_at(schema: type[BaseModel], path: tuple[int | str, ...]) -> tuple[str, ...]:
    """Names of the fields of the sub-schema at a path."""
    current: Any = schema
    for part in path:
        field = (
            current.model_fields.get(str(part))
            if isinstance(current, type) and issubclass(current, BaseModel)
            else None
        )
        if field is None:
            return ()
        candidates = [field.annotation, *getattr(field.annotation, "__args__", ())]
        current = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
    return tuple(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else ()


def validated(schema: type[S], data: Mapping[str, Any], where: str) -> S:
    """`data` as an instance of `schema`.

    Args:
        where: Name of the mapping, for messages.

    Raises:
        YotoError: One line naming the first field that is unknown, missing or of the wrong type.
    """
    try:
        return schema.model_validate(dict(data))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = first["loc"]
        if first["type"] == "value_error" and isinstance(first.get("ctx", {}).get("error"), YotoError):
            raise YotoError(f"{where}: {first['ctx']['error']}") from None
        name = ".".join(str(p) for p in path) or where
        if first["type"] == "extra_forbidden":
            known = fields_at(schema, path[:-1])
            hint = near_misses(str(path[-1]), known) or f" Known are {', '.join(known)}."
            raise YotoError(f"{where}: unknown key {name!r}.{hint}") from None
        if first["type"] == "missing":
            raise YotoError(f"{where}: {name!r} should be given and is missing.") from None
        message = first["msg"].removeprefix("Value error, ")
        found = first["input"]
        shown = f" Found {found!r}." if not isinstance(found, Mapping) else ""
        raise YotoError(f"{where}: {name!r}: {message}.{shown}") from None
