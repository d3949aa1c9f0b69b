"""A support site's content made from a seed: the same seed makes the same people, machines, sessions and recordings."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

Record = dict[str, Any]

_FIRST = (  # noqa: SIM905 (a list of names reads better as a line of names)
    "Ana Bruno Carla Diego Elisa Felipe Gabriela Hugo Inês João Karin Lucas Mariana Nuno Olga Paulo Renata Sofia Tiago "
    "Vera Wagner Yara Amir Beth Chen Dana Erik Fatima Goran Hana Ivan Julia Kofi Lena Mei Noor"
).split()
_LAST = (  # noqa: SIM905
    "Almeida Barros Costa Duarte Esteves Ferreira Gomes Henriques Lima Machado Nogueira Oliveira Pereira Ramos Santos "
    "Teixeira Vieira Andersson Becker Conti Dubois Eriksen Fischer Garcia Haddad Ito Jansen Kowalski Larsen Moreau"
).split()
_TEAMS = (
    "Service Desk",
    "Server Operations",
    "Field Support",
    "Network Operations",
    "Workplace Engineering",
    "Payments Support",
)
_SYSTEMS = ("Windows 10", "Windows 11", "Windows Server 2012", "Windows Server 2016", "macOS 12", "Debian 11")
_SITES = ("lisboa", "porto", "campinas", "recife", "luanda", "maputo")
_PLACES = ("pos", "desk", "kiosk", "srv", "lab", "till")
_QUESTIONS = (
    "The printer on the second floor is offline again.",
    "I cannot open the monthly report.",
    "After the restart the screen stays black.",
    "My password has expired and I am locked out.",
    "The payment terminal does not connect.",
    "Outlook asks for my password every minute.",
)
_ANSWERS = (
    "I am looking at it now.",
    "May I take control of your screen?",
    "Please restart it once more.",
    "It is solved; the driver was outdated.",
    "I have passed it on to the server team.",
)
_START = datetime(2026, 1, 5, 8, tzinfo=UTC)
_MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Sizes:
    """How much of everything."""

    users: int
    jump_clients: int
    sessions: int
    recording_bytes: int

    @classmethod
    def for_megabytes(cls, size_mb: int) -> "Sizes":
        """A site whose recordings add up to `size_mb` million bytes."""
        sessions = min(max(24, 2 * size_mb), 5000)
        return cls(users=40, jump_clients=240, sessions=sessions, recording_bytes=size_mb * _MEGABYTE)


class SiteContent:
    """Everything a site holds; each part is drawn from a stream of its own, so that one does not shift another."""

    def __init__(self, seed: int, site: str, site_version: str, sizes: Sizes) -> None:
        self._seed = seed
        self._site = site
        self._version = site_version
        self._sizes = sizes
        self.users = self._users()
        self.teams = self._teams()

    def _users(self) -> list[Record]:
        dice = self._dice("users")
        users = [_user(1, "admin", "Administrator", self._site, ["administrator"])]
        taken = {"admin"}
        while len(users) < self._sizes.users:
            first, last = dice.choice(_FIRST), dice.choice(_LAST)
            username = f"{first}.{last}".lower().translate(str.maketrans("êã", "ea"))
            if username in taken:
                continue
            taken.add(username)
            rights = ["support", "jump"] if dice.random() < 0.7 else ["support"]
            users.append(_user(len(users) + 1, username, f"{first} {last}", self._site, rights))
        return users

    def _teams(self) -> list[Record]:
        dice = self._dice("teams")
        people = [user["id"] for user in self.users[1:]]
        return [
            {
                "id": f"team-{number:02d}",
                "name": name,
                "code_name": name.lower().replace(" ", "_"),
                "lead": dice.choice(people),
                "members": sorted(dice.sample(people, min(8, len(people)))),
            }
            for number, name in enumerate(_TEAMS, start=1)
        ]

    def jump_clients(self) -> list[Record]:
        """The machines that can be reached unattended (requirement C3)."""
        dice = self._dice("jump clients")
        return [self._jump_client(dice, number) for number in range(1, self._sizes.jump_clients + 1)]

    def _jump_client(self, dice: random.Random, number: int) -> Record:
        place = dice.choice(_SITES)
        hostname = f"{place[:3]}-{dice.choice(_PLACES)}-{number:04d}"
        return {
            "id": f"jump-{number:05d}",
            "name": hostname,
            "hostname": f"{hostname}.{place}.example.net",
            "operating_system": dice.choice(_SYSTEMS),
            "mode": "active" if dice.random() < 0.8 else "passive",
            "group": place,
            "private_address": f"10.{dice.randrange(1, 60)}.{dice.randrange(256)}.{dice.randrange(1, 255)}",
            "version": self._version,
            "installed": _time(_START - timedelta(days=dice.randrange(30, 900))),
            "comments": dice.choice(("", "", "behind the counter", "shared by two shifts", "replacement ordered")),
        }

    def options(self) -> list[Record]:
        """What is set under *Management* and *Configuration*."""
        values: dict[str, Any] = {
            "site.hostname": self._site,
            "site.public_name": "Customer Support",
            "site.languages": ["pt-br", "en-us"],
            "session.idle_timeout_minutes": 45,
            "session.record_screen": True,
            "session.record_command_shell": True,
            "jump_clients.concurrent_upgrades_max": 20,
            "jump_clients.check_in_hours": 24,
            "login.password_length_min": 12,
            "login.lockout_failures": 5,
            "portal.greeting": "Bem-vindo ao suporte. Escolha um técnico ou digite a chave da sessão.",
            "mail.smtp_server": "mail.example.net",
        }
        return [{"id": name, "value": value} for name, value in sorted(values.items())]

    def sessions(self) -> Iterator[tuple[Record, int]]:
        """Session records in the order they happened, each with the size of its recording in bytes (0: none)."""
        dice = self._dice("sessions")
        recorded = [dice.random() < 0.6 for _ in range(self._sizes.sessions)]
        sizes = iter(_shares(dice, sum(recorded), self._sizes.recording_bytes))
        start = _START
        for has_recording in recorded:
            start += timedelta(seconds=dice.randrange(60, 7200))
            yield self._session(dice, start), next(sizes) if has_recording else 0

    def _session(self, dice: random.Random, start: datetime) -> Record:
        user, team = dice.choice(self.users[1:]), dice.choice(self.teams)
        customer = f"{dice.choice(_FIRST)} {dice.choice(_LAST)}"
        duration_seconds = dice.randrange(90, 5400)
        return {
            "lsid": f"{dice.getrandbits(128):032x}",
            "start_time": _time(start),
            "end_time": _time(start + timedelta(seconds=duration_seconds)),
            "duration_seconds": duration_seconds,
            "representative": user["display_name"],
            "customer": customer,
            "team": team["name"],
            "events": _events(dice, start, duration_seconds, user["display_name"], customer),
        }

    def active_sessions(self, count: int) -> Iterator[Record]:
        """Who helps whom when the box comes up; the time is the box's to say."""
        dice = self._dice("active sessions")
        for _ in range(count):
            yield {
                "lsid": f"{dice.getrandbits(128):032x}",
                "representative": dice.choice(self.users[1:])["display_name"],
                "customer": f"{dice.choice(_FIRST)} {dice.choice(_LAST)}",
                "team": dice.choice(self.teams)["name"],
            }

    def _dice(self, part: str) -> random.Random:
        return random.Random(f"{self._seed}/{part}")


def recording_content(seed: int, lsid: str, size_bytes: int) -> Iterator[bytes]:
    """The bytes of a recording in pieces: they look like compressed video, and cost next to nothing to make."""
    # imported here: only manufacture needs it
    from hashlib import sha256  # noqa: PLC0415

    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415

    key = sha256(f"{seed}/{lsid}".encode()).digest()
    stream = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
    piece = bytes(1 << 20)
    while size_bytes > 0:
        yield stream.update(piece[:size_bytes])
        size_bytes -= len(piece)


def _user(number: int, username: str, display_name: str, site: str, rights: list[str]) -> Record:
    return {
        "id": f"user-{number:04d}",
        "username": username,
        "display_name": display_name,
        "email": f"{username}@{site.partition('.')[2] or site}",
        "rights": rights,
        "enabled": True,
    }


def _events(dice: random.Random, start: datetime, seconds: int, who: str, customer: str) -> list[Record]:
    middle = sorted(dice.randrange(5, seconds - 5) for _ in range(dice.randrange(3, 9)))
    events: list[Record] = [{"time": _time(start), "type": "Session Start", "by": customer}]
    for number, second in enumerate(middle):
        time = _time(start + timedelta(seconds=second))
        if number == 0:
            events.append({"time": time, "type": "Representative Joined", "by": who})
        elif number % 2:
            events.append({"time": time, "type": "Chat Message", "by": customer, "text": dice.choice(_QUESTIONS)})
        else:
            events.append({"time": time, "type": "Chat Message", "by": who, "text": dice.choice(_ANSWERS)})
    events.append({"time": _time(start + timedelta(seconds=seconds)), "type": "Session End", "by": who})
    return events


def _shares(dice: random.Random, count: int, total: int) -> list[int]:
    """`count` sizes of differing weight that add up to `total`."""
    weights = [dice.uniform(0.2, 3.0) for _ in range(count)]
    sizes = [int(total * weight / sum(weights)) for weight in weights]
    if sizes:
        sizes[-1] += total - sum(sizes)
    return sizes


def _time(moment: datetime) -> str:
    return moment.isoformat()
