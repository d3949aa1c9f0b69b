"""What pydantic finds wrong with data that is no person's text, as one sentence; never what stands there."""

from pydantic import ValidationError


def first_problem(error: ValidationError, whole: str = "") -> str:
    """Field and reason of the first one; `whole` stands for the field where it is all of it."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc']) or whole}: {first['msg']}"
