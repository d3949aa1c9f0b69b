"""Lets a stick go that nobody uses: everything is on it, and its port is without power where that can be done."""

from pathlib import Path

from toolkit.disks.ejecting import Ejected, let_go
from toolkit.disks.plugged import SYSTEM, Stick
from toolkit.media.carrier import Then, told
from toolkit.media.local import described
from toolkit.media.permitted import check_permitted

_AGAIN = Then("Leave it plugged in, and run the command again.")


def eject(stick: Stick, system: Path = SYSTEM) -> Ejected:
    """Raises RefusedError while somebody uses it, MediaError when it does not take what is still to be written."""
    check_permitted(stick, {str(stick.path)})
    with told(described(stick), _AGAIN):
        return let_go(stick, system)
