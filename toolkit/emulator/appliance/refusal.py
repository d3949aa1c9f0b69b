"""How the box says no: one exception that the API answers as JSON and the pages show as a sentence."""


class Refusal(Exception):  # noqa: N818 (it is an answer of the box, not a fault in it)
    """The box will not or cannot do what was asked, and nothing was changed.

    `code` is the stable word of docs/appliance-api.md, `message` a sentence for people that holds no secret, `status`
    the HTTP status, `retry_after_seconds` how long to wait when waiting helps.
    """

    def __init__(self, status: int, code: str, message: str, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_seconds = retry_after_seconds


def not_found(what: str) -> Refusal:
    """404: there is no such thing on this box."""
    return Refusal(404, "not_found", f"This box has no {what}.")


def conflict(message: str) -> Refusal:
    """409: what is there already stands in the way."""
    return Refusal(409, "conflict", message)


def invalid(message: str) -> Refusal:
    """422: a value is of the right type but means nothing here."""
    return Refusal(422, "invalid_request", message)
