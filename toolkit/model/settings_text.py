"""Reads a TOML text into a model; an error names file, line and field, and guesses what was meant."""

import difflib
import re
import tomllib
from typing import TypeVar, get_args

from pydantic import BaseModel, ValidationError

from toolkit.model.errors import InputError, words_of

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[int | str, ...]

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")


def read_settings(text: str, file_name: str, model: type[Model]) -> Model:
    """`text` as a `model`; raises InputError naming `file_name`, the line, the field and the next move."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        raise InputError(
            "this is not TOML",
            where=f"{file_name}:{line[1]}" if line else file_name,
            why=words_of(error),
            next_move="Mend that line and try again.",
        ) from None
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _as_input_error(error, text, file_name, model) from None


def _as_input_error(error: ValidationError, text: str, file_name: str, model: type[BaseModel]) -> InputError:
    # a misspelt field is also a missing one: the misspelling is the useful thing to say
    first, *more = sorted(
        error.errors(include_url=False, include_input=False), key=lambda entry: entry["type"] != "extra_forbidden"
    )
    location = tuple(part for part in first["loc"] if part != "function-wrap")
    line = line_of(text, location)
    field = ".".join(str(part) for part in location) or "the file"
    others = f" ({len(more)} more to mend after this one)" if more else ""
    next_move = f"Mend {field} and try again{others}."
    why = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        why = "there is no such field"
        known = _fields_at(model, location[:-1])
        close = difflib.get_close_matches(str(location[-1]), known, n=1)
        if close:
            next_move = f'Did you mean "{close[0]}"?{others}'
        elif known:
            next_move = f"Known here: {', '.join(sorted(known))}.{others}"
    elif first["type"] == "missing":
        why = "the field is missing"
        next_move = f"Add {field} and try again{others}."
    return InputError(
        f'field "{field}"' if location else "its fields do not fit together",
        where=f"{file_name}:{line}" if line else file_name,
        why=why,
        next_move=next_move,
    )


def line_of(text: str, location: Location) -> int | None:
    """The 1-based line on which the value at `location` (keys, and indexes of arrays) is written, or None.

    For what is missing it is the line of the nearest table that is there.
    """
    wanted = tuple(str(part) for part in location)
    best: tuple[int, int | None] = (0, None)
    table: tuple[str, ...] = ()
    counts: dict[tuple[str, ...], int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        header, key = _HEADER.fullmatch(line), _KEY.match(line)
        if header:
            table = _split(header[2])
            if header[1] == "[[":
                index = counts.get(table, -1) + 1
                counts[table] = index
                table = (*table, str(index))
            path = table
        elif key:
            path = (*table, *_split(key[1]))
        else:
            continue
        depth = len(path) if wanted[: len(path)] == path else 0
        if depth > best[0]:
            best = (depth, number)
    return best[1]


def _split(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in re.findall(r"""[\w-]+|"[^"]*"|'[^']*'""", dotted))


def _fields_at(model: type[BaseModel], location: Location) -> list[str]:
    """The names a table may hold at `location` of `model`."""
    current: type[BaseModel] | None = model
    for part in location:
        if current is None:
            return []
        if isinstance(part, int) or part not in current.model_fields:
            continue
        current = _model_in(current.model_fields[part].annotation)
    return list(current.model_fields) if current else []


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        found = _model_in(inner)
        if found:
            return found
    return None
