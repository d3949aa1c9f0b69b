"""Makes any text safe to show: no characters that are invisible, reorder the line, or have no place in a document."""

import re
import shlex
import unicodedata
from typing import Any

_KEPT = {"\n", "\t"}
_MARKDOWN = str.maketrans({character: "\\" + character for character in "\\`*_[]|~$"} | {"&": "&amp;", "<": "&lt;"})

_STARTS_A_BLOCK = re.compile(r"^(\d{0,9})([.)]|(?<!\d)[-#+>=])")
"""A heading, a list or a quotation, which a text becomes only where it stands first on its line."""


def printable(text: str) -> str:
    """The text with control, bidirectional, unassigned and surrogate characters shown as U+FFFD."""
    text = text.replace("\r\n", "\n")
    if text.isascii() and text.isprintable():
        return text
    return "".join("\ufffd" if _unfit(character) else character for character in text)


def _unfit(character: str) -> bool:
    # Cc control, Cf format (bidirectional overrides, zero-width), Cs surrogate, Cn unassigned and noncharacters
    return character not in _KEPT and unicodedata.category(character) in {"Cc", "Cf", "Cs", "Cn"}


def one_line(text: str) -> str:
    """The printable text with every run of white space as one space."""
    return " ".join(printable(text).split())


def markdown_text(value: Any) -> str:
    """A value as plain Markdown text: on one line, and nothing in it is markup."""
    return _STARTS_A_BLOCK.sub(r"\1\\\2", one_line(str(value)).translate(_MARKDOWN))


def shell_word(text: str) -> str:
    """The text as one word of a shell command line."""
    return shlex.quote(one_line(text))
