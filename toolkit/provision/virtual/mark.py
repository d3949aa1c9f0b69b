"""The mark on a virtual machine that says that rebox made it: who, from what, and whether it is complete."""

import socket
from pathlib import Path
from typing import Any, Literal

from lxml import etree
from pydantic import BaseModel, ConfigDict, ValidationError

from toolkit.provision.virtual.spec import MachineSpec

NAMESPACE = "urn:rebox:virtual-machine:1"
PREFIX = "rebox"


class Mark(BaseModel):
    """It stands in the domain's metadata, and counts only for the domain whose UUID it names: a clone is not ours.

    `maker` is the inventory or run it was made for, on which machine; `lock` the file whose lock the maker holds for as
    long as it works on it. A machine is `being-made` until all its disks are there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: Literal["being-made", "made"]
    uuid: str
    maker: str
    lock: str
    spec: MachineSpec

    def element(self) -> Any:
        """The element (lxml) that stands in a domain which is being defined."""
        element = etree.Element(f"{{{NAMESPACE}}}machine", nsmap={PREFIX: NAMESPACE})
        element.text = self.model_dump_json()
        return element

    def bare(self) -> str:
        """The same as libvirt wants it when it replaces it: it adds the namespace itself."""
        element = etree.Element("machine")
        element.text = self.model_dump_json()
        return etree.tostring(element, encoding="unicode")


def volume_prefix(mark: Mark) -> str:
    """How the names of all volumes begin that were made for the machine of a mark."""
    return f"{mark.spec.name}-{mark.uuid[:13]}-"


def here(path: Path) -> str:
    """A path together with the machine it is on."""
    return f"{socket.gethostname()}:{path}"


def read_mark(domain_xml: str) -> Mark | None:
    """The mark of a domain; None when it carries none, or that of another."""
    domain = etree.fromstring(domain_xml.encode())
    element = domain.find(f"metadata/{{{NAMESPACE}}}machine")
    if element is None:
        return None
    try:
        mark = Mark.model_validate_json(element.text or "")
    except ValidationError:
        return None
    return mark if mark.uuid == domain.findtext("uuid") else None
