"""A read-only look at both boxes and at the site's name: all that planning needs."""

from toolkit.appliances.connection import BoxRefusedError
from toolkit.appliances.protocol import Appliance
from toolkit.model.errors import AuthenticationError, UnreachableError
from toolkit.model.facts import BoxFacts, Facts, NameFacts, NewBoxFacts

_LOCKED_OUT = "locked_out"
"""What a box says that was asked for the account it does not know once too often."""


def read_facts(old: Appliance, new: Appliance, name: NameFacts | None) -> Facts:
    """What both boxes are now. The old box must answer; the new one may be off, or a factory box."""
    return Facts(old=_read_box(old), new=_read_new(new), name=name)


def _read_box(box: Appliance) -> BoxFacts:
    return BoxFacts(status=box.status(), network=box.network(), certificates=box.certificates())


def _read_new(new: Appliance) -> NewBoxFacts:
    try:
        serial_number = new.reset_status().serial_number
    except UnreachableError:
        return NewBoxFacts(answers=False)
    try:
        return NewBoxFacts(answers=True, serial_number=serial_number, in_use=_read_box(new))
    except AuthenticationError:
        pass
    except BoxRefusedError as error:
        if error.box_code != _LOCKED_OUT:
            raise
    # a factory box: our account is made when it is taken into use
    return NewBoxFacts(answers=True, serial_number=serial_number)
