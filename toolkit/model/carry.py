"""How data travels between boxes that do not reach each other, as the inventory's `[carry]` says."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from toolkit.model.fields import Address, SshFingerprint


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LocalStation(_Table):
    """The stick is plugged into the machine that rebox runs on."""

    driver: Literal["local"]


class SshStation(_Table):
    """The stick is plugged into another Linux machine, which has Python 3.11 and lets root in by SSH."""

    driver: Literal["ssh"]
    address: Address
    port: int = Field(default=22, ge=1, le=65535)
    username: str = "root"
    key_file: str = Field(description="The private key that opens it, without a passphrase, mode 0600.")
    host_key: SshFingerprint | None = Field(
        default=None, description='Its host key, as ssh-keygen -l shows it: "SHA256:…"; or `console_file`.'
    )
    console_file: str | None = Field(
        default=None, description="File in which its serial console is kept, where a box says its host key."
    )

    @model_validator(mode="after")
    def _recognised(self) -> "SshStation":
        if (self.host_key is None) == (self.console_file is None):
            raise ValueError("give either host_key or console_file: by what is the machine recognised?")
        return self


class FolderStation(_Table):
    """The stick is an image file (`*.img`), and plugged in while it lies in this folder: for rehearsals."""

    driver: Literal["folder"]
    folder: str


Station = Annotated[LocalStation | SshStation | FolderStation, Field(discriminator="driver")]


class LabMover(_Table):
    """A running lab moves the stick; without this table a person does, and is told which one and where."""

    folder: str = Field(description="The lab's folder.")
    old_host: str = Field(default="old", description="The machine that it is plugged into beside the old box.")
    new_host: str = Field(default="new", description="The same beside the new one.")


class Carry(_Table):
    """Backups and certificates travel on a stick; without this table they travel with rebox itself."""

    stick: str = Field(
        pattern=r"^(serial|label|uuid|model|port)=.+",
        description='Which one, e.g. "serial=4C530001", as rebox media list shows it; never just any.',
    )
    old: Station = Field(description="Where it is plugged in beside the old box.")
    new: Station = Field(description="Where it is plugged in beside the new box.")
    mover: LabMover | None = None
