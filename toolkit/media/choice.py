"""Chooses one stick by what is known of it; several that fit, or none, are never guessed at."""

import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from toolkit.disks.plugged import Stick, of_device, of_image, with_file_system
from toolkit.media.carrier import READING, told
from toolkit.model.errors import InputError

KEYS = ("serial", "label", "uuid", "model", "vendor", "port")


def choose(which: str, there: Sequence[Stick]) -> Stick:
    """The one stick that is meant: `serial=…` and the other KEYS, a device, or an image file; raises InputError."""
    key, equals, value = which.partition("=")
    if equals and key in KEYS:
        return _only(which, fitting(key, value, there), there)
    if "/" in which or (which and Path(which).exists()):
        return _at(Path(which), there)
    raise InputError(
        "this chooses no stick",
        where=which,
        why=f"a stick is chosen by {', '.join(f'{key}=…' for key in KEYS)}, its device, or an image file",
        next_move=listed(there),
    )


def fitting(key: str, value: str, there: Iterable[Stick]) -> list[Stick]:
    """Those of which that is known; nothing fits an empty value."""
    return [stick for stick in there if value and facts(stick)[key] == value]


def facts(stick: Stick) -> dict[str, str]:
    """What a stick can be chosen by."""
    found = stick.file_system
    return {
        "serial": stick.serial,
        "label": found.label if found else "",
        "uuid": found.uuid if found else "",
        "model": stick.model,
        "vendor": stick.vendor,
        "port": stick.port,
    }


def _only(which: str, fitting: list[Stick], there: Sequence[Stick]) -> Stick:
    if len(fitting) == 1:
        return fitting[0]
    raise InputError(
        "several sticks fit" if fitting else "no such stick is plugged in", where=which, next_move=listed(there)
    )


def _at(path: Path, there: Sequence[Stick]) -> Stick:
    """By its device, under whatever name, or an image file; a drive that is not removable is checked later."""
    real = path.resolve()
    for stick in there:
        if stick.path == real:
            return stick
    with told(str(path), READING):
        try:
            is_device = stat.S_ISBLK(real.stat().st_mode)
        except OSError:
            is_device = False
        return with_file_system(of_device(real.name) if is_device else of_image(real))


def listed(there: Sequence[Stick]) -> str:
    """What is there, for who has to choose again."""
    if not there:
        return "No stick is plugged in."
    return "There are: " + "; ".join(_in_words(stick) for stick in there) + "."


def _in_words(stick: Stick) -> str:
    known = ", ".join(f"{key}={value}" for key, value in facts(stick).items() if value)
    return f"{stick.path} {known}".strip()
