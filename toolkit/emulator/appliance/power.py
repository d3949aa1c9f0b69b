"""Reboot, shut-down and the factory reset."""

from toolkit.emulator.appliance.facts import ResetStarted, ResetStatus


class Power:
    """What the buttons at the foot of *Status > Basics* do."""

    def reboot(self, by: str) -> None:
        """Starts again once the current answers are out."""
        raise NotImplementedError

    def shut_down(self, by: str) -> None:
        """Ends once the current answers are out."""
        raise NotImplementedError

    def reset(self, by: str, serial_number: str) -> ResetStarted:
        """Begins to destroy everything; 409 `serial_number`, `conflict`."""
        raise NotImplementedError

    def reset_status(self) -> ResetStatus:
        """How far it is."""
        raise NotImplementedError
