"""An error names the thing, the place, the reason and the next move; an error without words is given some."""

import ast
import asyncio
import errno
import ssl
from pathlib import Path

import httpx
import pytest

import toolkit
from toolkit.model.errors import InputError, words_of


def test_it_reads_as_one_line_and_as_json() -> None:
    error = InputError("no such box", where="site.toml:3", why="a typing error", next_move="Mend it.")
    assert str(error) == "site.toml:3: no such box: a typing error. Mend it."
    assert error.as_json() == {
        "error": "input",
        "what": "no such box",
        "where": "site.toml:3",
        "why": "a typing error",
        "next_move": "Mend it.",
    }


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "it took longer than its time limit"),
        (ConnectionResetError(), "the connection was reset by the other side"),
        (ConnectionError(), "the connection failed"),
        (BrokenPipeError(), "the other side has closed the connection"),
        (asyncio.IncompleteReadError(b"", 3), "0 bytes read on a total of 3 expected bytes"),
        (EOFError(), "it ended before it was whole"),
        (OSError(errno.ENOSPC, "No space left on device", "/a"), "No space left on device"),
        (OSError(errno.ECONNREFUSED, "Connect call failed ('10.77.0.2', 53)"), "Connection refused"),
        (ssl.SSLError(1, "[SSL] what OpenSSL says"), "[SSL] what OpenSSL says"),
        (KeyError("serial"), "KeyError: 'serial'"),
        (AssertionError(), "AssertionError"),
        (ValueError("  \n"), "ValueError"),
        (ExceptionGroup("unhandled errors in a TaskGroup", [TimeoutError()]), "it took longer than its time limit"),
        (InputError("no such box", why="a typing error"), "no such box: a typing error"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_whatever_was_raised_there_are_words_for_it(error: BaseException, words: str) -> None:
    assert words_of(error) == words


def because_of(cause: BaseException, error: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


def test_an_error_without_words_is_explained_by_what_it_was_raised_from() -> None:
    assert words_of(because_of(TimeoutError(), httpx.ReadTimeout(""))) == "it took longer than its time limit"
    assert words_of(because_of(TimeoutError(), ValueError("it is no number"))) == "it is no number"


def test_one_that_nobody_can_explain_says_where_it_was_raised() -> None:
    with pytest.raises(AssertionError) as caught:
        raise AssertionError
    assert words_of(caught.value).startswith("AssertionError at test_errors.py:")


STANDARD_LIBRARY_ONLY = ("disks", "installer")


def test_nobody_takes_the_words_of_an_error_that_may_have_none() -> None:
    root = Path(toolkit.__file__).parent
    files = (file for file in root.rglob("*.py") if file.relative_to(root).parts[0] not in STANDARD_LIBRARY_ONLY)
    assert [place for file in files for place in bare_reasons(file)] == []


def bare_reasons(file: Path) -> list[str]:
    """Where `why` is what str() makes of a caught error; `words_of` is never empty."""
    found = []
    for handler in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(handler, ast.ExceptHandler) or handler.name is None:
            continue
        bare = f"str({handler.name})"
        found += [
            f"{file}:{word.value.lineno}"
            for word in ast.walk(handler)
            if isinstance(word, ast.keyword) and word.arg == "why" and ast.unparse(word.value).endswith(bare)
        ]
    return found
