"""Numbers with their nouns, as sentences need them."""


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: "1 step", "12 steps", "1,200 steps"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
