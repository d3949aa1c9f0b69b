"""The user's own piece of a domain, laid over what is made here.

The rule: an element of the fragment is laid over ours of the same name. Its attributes and its text replace ours, its
children are laid over ours likewise, and what ours does not have is added. Where there may be several of a name (disks,
ports, channels) ours is the one with the same target, MAC address or name; every other device is added.
"""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from lxml import etree

from toolkit.model.errors import InputError

_DECIDED_HERE = ("name", "uuid", "metadata")
_NEXT = "Correct it (docs/provisioning.md says what it may hold)."


@dataclass(frozen=True)
class Fragment:
    """A fragment's `<domain>` (lxml) and the file it came from."""

    element: Any
    file: str


def read_fragment(text: str, file: str) -> Fragment:
    """The fragment; raises InputError with the line for what is no XML, or changes who the machine is."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_blank_text=True
    )
    try:
        fragment = etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError as error:
        raise InputError(
            "this is not XML", where=f"{file}:{error.lineno}", why=error.msg or "", next_move=_NEXT
        ) from None
    if fragment.tag != "domain":
        raise _refused(file, fragment, f"the outermost element is <{fragment.tag}>, not <domain>")
    if fragment.get("type") is not None:
        raise _refused(file, fragment, "type is decided here: KVM is used once a guest has run under it")
    for element in fragment:
        if element.tag in _DECIDED_HERE:
            raise _refused(file, element, f"<{element.tag}> is decided here: by it the machine is known")
    return Fragment(fragment, file)


def lay_over(domain: Any, fragment: Fragment) -> Any:
    """A new domain: `fragment` laid over `domain` by the rule above."""
    merged = deepcopy(domain)
    _lay(merged, fragment.element)
    return merged


def _lay(ours: Any, theirs: Any) -> None:
    for name, value in theirs.attrib.items():
        ours.set(name, value)
    if theirs.text and theirs.text.strip():
        ours.text = theirs.text
    for child in theirs:
        match = _counterpart(ours, child)
        if match is None:
            ours.append(deepcopy(child))
        else:
            _lay(match, child)


def _counterpart(ours: Any, child: Any) -> Any | None:
    candidates = ours.findall(child.tag)
    key = _identity(child)
    if key is None:
        # a device without a name of its own is one more; anything else there is once
        return None if ours.tag == "devices" or not candidates else candidates[0]
    return next((one for one in candidates if _identity(one) == key), None)


def _identity(element: Any) -> tuple[str, str] | None:
    for path, attribute in (("target", "dev"), ("mac", "address"), ("target", "name")):
        named = element.find(path)
        if named is not None and named.get(attribute) is not None:
            return attribute, str(named.get(attribute)).lower()
    name = element.get("name")
    return ("name", name) if name is not None and element.tag in ("entry", "feature", "timer") else None


def _refused(file: str, element: Any, why: str) -> InputError:
    return InputError(
        "this cannot be laid over the virtual machine", where=f"{file}:{element.sourceline}", why=why, next_move=_NEXT
    )
