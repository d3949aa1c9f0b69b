"""Small files of state that prove themselves: JSON with the SHA-256 of its own content."""

import hashlib
from typing import Self

from pydantic import BaseModel, ConfigDict, Field


class Sealed(BaseModel):
    """Base of what such a file holds. One without a seal, of an older toolkit, is read as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(default="", description="Of the JSON of all the rest, in lower-case hex.")

    def sealed_json(self) -> bytes:
        """The file's content."""
        return self.model_copy(update={"sha256": self._digest()}).model_dump_json(indent=1).encode()

    @classmethod
    def read_sealed(cls, content: bytes) -> Self:
        """What a file's content says; raises ValueError when it is not what was written."""
        found = cls.model_validate_json(content)
        if found.sha256 and found.sha256 != found._digest():
            raise ValueError("its content is not what its seal was made of")
        return found

    def _digest(self) -> str:
        return hashlib.sha256(self.model_dump_json(exclude={"sha256"}).encode()).hexdigest()
