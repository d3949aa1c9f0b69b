"""Why the installer does not do its job: nothing was written, or something went wrong on the way."""


class Refused(Exception):  # noqa: N818 (an answer, not an error)
    """The job does not fit this machine; not a byte was written."""


class Failed(Exception):  # noqa: N818 (the same)
    """The job was begun and cannot be ended; the disk does not start."""
