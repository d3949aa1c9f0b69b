"""References to secrets: where a secret is, never the secret itself."""

from typing import Annotated

from pydantic import AfterValidator

SCHEMES = ("prompt", "env", "file", "keyring")


def _check(text: str) -> str:
    scheme, colon, rest = text.partition(":")
    if scheme not in SCHEMES or (colon and not rest) or (scheme != "prompt" and not rest):
        raise ValueError(
            'a secret is never written here; say where it is: "prompt", "env:NAME", "file:PATH" (mode 0600) '
            'or "keyring:SERVICE/NAME"'
        )
    return text


SecretReference = Annotated[str, AfterValidator(_check)]
"""Text of the form `prompt`, `prompt:LABEL`, `env:NAME`, `file:PATH` or `keyring:SERVICE/NAME`."""
