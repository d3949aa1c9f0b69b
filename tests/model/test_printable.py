"""What was recorded may be hostile; what is shown never is."""

import shlex
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.model.printable import markdown_text, one_line, printable, shell_word


@pytest.mark.parametrize("text", ["\x00", "\x1b", "\u202e", "\u2066", "\u200b", "\ufffe", "\ud800"])
def test_what_cannot_be_seen_or_turns_the_line_is_made_visible(text: str) -> None:
    assert printable(f"a{text}b") == "a\ufffdb"


def test_ordinary_text_of_any_language_stays() -> None:
    assert printable("Ação, 名前 “ok”\n\tΩ") == "Ação, 名前 “ok”\n\tΩ"


@given(st.text())
def test_nothing_that_controls_is_left(text: str) -> None:
    assert not {unicodedata.category(c) for c in printable(text) if c not in "\n\t"} & {"Cc", "Cf", "Cs"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**no**", r"\*\*no\*\*"),
        ("[x](http://evil)", r"\[x\](http://evil)"),
        ("<img src=x>", "&lt;img src=x>"),
        ("a | b", r"a \| b"),
        ("one\n# two", "one # two"),
        ("&lt;", "&amp;lt;"),
        ("a`b", r"a\`b"),
        ("# two", r"\# two"),
        ("- two", r"\- two"),
        ("12. two", r"12\. two"),
        ("12-2 and - more", "12-2 and - more"),
    ],
)
def test_nothing_recorded_becomes_markdown(text: str, shown: str) -> None:
    assert markdown_text(text) == shown


@given(st.text(min_size=1))
def test_a_name_is_one_word_of_the_shell(text: str) -> None:
    assert shlex.split(shell_word(text)) == [one_line(text)]
