"""Chooses one stick by what is known of it; several that fit, or none, are never guessed at."""

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from toolkit.disks.plugged import Stick, of_device, of_image, with_file_system
from toolkit.media.carrier import READING, told
from toolkit.model.errors import InputError, words_of

KEYS = ("serial", "label", "uuid", "model", "vendor", "port")


def choose(which: str, there: Sequence[Stick]) -> Stick:
    """The one stick that is meant: `serial=…` and the other KEYS, a device, or an image file; raises InputError."""
    key, equals, value = which.partition("=")
    if equals and key in KEYS:
        return _only(which, fitting(key, value, there), there)
    return _at(which, there)


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
        "several sticks fit" if fitting else "no such stick is plugged in",
        where=which,
        why=f"{len(fitting) or 'none'} of those that are plugged in have that, to the letter",
        next_move=choices(there),
    )


def _at(which: str, there: Sequence[Stick]) -> Stick:
    """By its device, under whatever name, or an image file; a drive that is not removable is checked later."""
    real = Path(os.path.realpath(which))
    for stick in there:
        if stick.path == real:
            return stick
    try:
        mode = real.stat().st_mode
    except OSError as error:
        raise _no_choice(which, words_of(error), there) from None
    if not stat.S_ISBLK(mode) and not stat.S_ISREG(mode):
        raise _no_choice(which, "it is neither a device nor an image file", there)
    with told(which, READING):
        return with_file_system(of_device(real.name) if stat.S_ISBLK(mode) else of_image(real))


def _no_choice(which: str, why: str, there: Sequence[Stick]) -> InputError:
    ways = ", ".join(f"{key}=…" for key in KEYS)
    return InputError(
        "this chooses no stick",
        where=which or '""',
        why=f"{why}; a stick is chosen by {ways}, its device, or an image file",
        next_move=choices(there),
    )


def choices(there: Sequence[Stick]) -> str:
    """The next move of who has to choose again."""
    if not there:
        return "No stick is plugged in: plug it in (rebox media watch tells when it is seen), or give an image file."
    return "Choose one of those that are plugged in: " + "; ".join(_in_words(stick) for stick in there) + "."


def _in_words(stick: Stick) -> str:
    known = ", ".join(f"{key}={value}" for key, value in facts(stick).items() if value)
    return f"{stick.path} {known}".strip()
