"""Why nothing is done to a disk: not a byte was written, or something went wrong on the way."""


class Refused(Exception):  # noqa: N818 (an answer, not an error)
    """It does not fit what is there; not a byte was written."""


class Failed(Exception):  # noqa: N818 (the same)
    """It was begun and cannot be ended; the disk does not start."""


class Unknown(Failed):
    """It was begun, and what lies on the disk now cannot be read."""
