"""From where else the site is watched, as the inventory's `[[watch.vantage_points]]` say."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from toolkit.model.fields import Address, SshFingerprint


class _Place(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", description='As reports call it; "here" is this machine.')
    interval_ms: float | None = Field(default=None, ge=0.2, le=10000, description="ICMP; without it as in [watch].")
    tcp_interval_ms: float | None = Field(default=None, ge=1, le=10000)
    https_interval_ms: float | None = Field(default=None, ge=10, le=60000)


class LabVantagePoint(_Place):
    """A machine of a running lab."""

    driver: Literal["lab"]
    folder: str = Field(description="The lab's folder.")
    host: str = Field(description="The machine, e.g. a client.")


class SshVantagePoint(_Place):
    """Another Linux machine, which has Python 3.11 and lets us in by SSH; no right beyond that is needed there."""

    driver: Literal["ssh"]
    address: Address
    port: int = Field(default=22, ge=1, le=65535)
    username: str = Field(default="rebox", description="An ordinary user is enough.")
    key_file: str = Field(description="The private key that opens it, without a passphrase, mode 0600.")
    host_key: SshFingerprint = Field(description='Its host key, as ssh-keygen -l shows it: "SHA256:…".')


VantagePoint = Annotated[LabVantagePoint | SshVantagePoint, Field(discriminator="driver")]
