"""An error names the thing, the place, the reason and the next move."""

from toolkit.model.errors import InputError


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
