"""A change of a box's network settings that cannot cut it off for good: the box undoes what is not confirmed.

It is confirmed by what only a reachable box can give: an answer for its health and a confirmation, both over
connections that are opened after the change, to the address and the certificate that the box is known by.
"""

import contextlib
import json
import secrets
from pathlib import Path

from toolkit.appliances.connection import BoxRefusedError, wait_until
from toolkit.appliances.protocol import Appliance
from toolkit.model.box import NetworkChange, WantedNetwork
from toolkit.model.errors import ApplianceError, UnreachableError, VerificationError
from toolkit.model.execution import Clock
from toolkit.storage.whole_file import write_whole

_MARGIN_SECONDS = 30.0
_NEXT_MOVE = "Correct the table of interfaces (box_settings.interface_map), then resume; nothing is lost."


def change_network(
    box: Appliance, wanted: WantedNetwork, confirm_within_seconds: float, clock: Clock, *, note: Path
) -> None:
    """The box has the wanted settings and they are confirmed, or it has its previous ones and this raises.

    `note` keeps the number of a change from before it is begun until it has ended, so that one that was cut short is
    gone on with. Raises VerificationError when the box went back, UnreachableError when it answers neither way.
    """
    change = box.begin_network_change(_number(note) or _draw(note), wanted, confirm_within_seconds)
    if change.state == "reverted":  # an earlier attempt's, which was cut short
        change = box.begin_network_change(_draw(note), wanted, confirm_within_seconds)
    try:
        _follow(box, change, confirm_within_seconds, clock)
    except VerificationError:
        note.unlink()
        raise
    note.unlink()


def take_back_noted(box: Appliance, note: Path) -> None:
    """A change that was cut short is undone now, not at its deadline; none is no error."""
    number = _number(note)
    if number is not None:
        with contextlib.suppress(BoxRefusedError):  # it was confirmed, or never begun
            box.revert_network_change(number)
    note.unlink(missing_ok=True)


def _number(note: Path) -> str | None:
    try:
        return str(json.loads(note.read_bytes())["id"])
    except FileNotFoundError:
        return None


def _draw(note: Path) -> str:
    number = secrets.token_hex(8)
    write_whole(note, json.dumps({"id": number}).encode(), then="resume; the box is as it was")
    return number


def _follow(box: Appliance, change: NetworkChange, seconds: float, clock: Clock) -> None:
    latest = [change]
    absent: list[UnreachableError] = []

    def ended() -> bool:
        try:
            latest.append(box.network_change(change.id))
            if latest[-1].state == "unconfirmed":
                latest.append(_probe_and_confirm(box, change.id))
        except UnreachableError as error:
            absent.append(error)
        return latest[-1].state in ("confirmed", "reverted")

    if not wait_until(ended, seconds=seconds + _MARGIN_SECONDS, sleep=clock.sleep, monotonic=clock.monotonic):
        raise UnreachableError(
            "the box answers neither with its new network settings nor with its old ones",
            where=f"{box.name} ({box.address})",
            why=absent[-1].why if absent else "the change does not end",
            next_move="Look at its console; switching it off and on brings the old settings back.",
        )
    if latest[-1].state == "reverted":
        unreachable = f"; meanwhile: {absent[-1].why}" if absent else ""
        raise VerificationError(
            "the box has its previous network settings again: the new ones did not hold",
            where=f"{box.name} ({box.address})",
            why=f"{latest[-1].reason}{unreachable}",
            next_move=_NEXT_MOVE,
        )


def _probe_and_confirm(box: Appliance, change_id: str) -> NetworkChange:
    """Over new connections; a box that is not well is taken back at once, and an answer that came too late is told."""
    healthy, words = box.health()
    if not healthy:
        box.revert_network_change(change_id)
        raise ApplianceError(
            "the box is not well with its new network settings, and has its previous ones again",
            where=f"{box.name} ({box.address})",
            why=words,
            next_move=_NEXT_MOVE,
        )
    try:
        return box.confirm_network_change(change_id)
    except BoxRefusedError as error:
        if error.box_code != "reverted":
            raise
        return box.network_change(change_id)
