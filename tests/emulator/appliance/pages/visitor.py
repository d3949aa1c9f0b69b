"""A box as a process of its own, and somebody who reads its pages and fills in its forms, over real TLS."""

import re
import signal
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from toolkit.emulator.appliance.factory import Factory, manufacture
from toolkit.emulator.appliance.pages.visit import COOKIE

PASSWORD = "correct horse battery"
SERIAL_NUMBER = "RB-PAGES-1"
ADDRESS, SHARED = "192.0.2.11", "192.0.2.10"


class BoxProcess:
    """A box, made in a folder and switched on; it changes no network and listens on 127.0.0.1."""

    def __init__(self, folder: Path, **fields: Any) -> None:
        self.disk, self._console = folder / "disk", folder / "console"
        factory = {
            "serial_number": SERIAL_NUMBER,
            "mac": "02:00:00:00:00:01",
            "addresses": (f"{ADDRESS}/24",),
            "size_mb": 1,
            **fields,
        }
        manufacture(self.disk, Factory.model_validate(factory))
        command = [sys.executable, "-m", "toolkit.emulator.appliance", "run", "--bind", "127.0.0.1:0"]
        command += ["--disk", str(self.disk), "--console", str(self._console)]
        self.process = subprocess.Popen(command)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Until the console says so."""
        self.wait_for_console("ready")

    def wait_for_console(self, line: str) -> None:
        """Until a line appears on the console."""
        deadline = time.monotonic() + 30
        while line not in self.console():
            assert time.monotonic() < deadline, self.console()
            assert self.process.poll() is None or line in self.console(), self.console()
            time.sleep(0.02)

    def console(self) -> list[str]:
        """What the console says."""
        return self._console.read_text().splitlines() if self._console.exists() else []

    @property
    def url(self) -> str:
        """Where its first address is reached."""
        match = re.search(rf"listening: {re.escape(ADDRESS)} at (\S+)", "\n".join(self.console()))
        assert match
        return f"https://{match[1]}"

    def switch_off(self) -> None:
        """The power button; SIGKILL if it is not heard."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def in_use(folder: Path, **fields: Any) -> BoxProcess:
    """A box that serves a site; every account has PASSWORD."""
    return BoxProcess(
        folder,
        profile="in-use",
        site="support.example.com",
        site_version="Bomgar-12.1.6",
        admin_password=SecretStr(PASSWORD),
        shared_addresses=({"address": f"{SHARED}/24", "enabled": True},),
        **fields,
    )


@dataclass
class Form:
    """One form of a page: where it goes, and what it holds before anybody fills it in."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(attributes["action"]))
        elif tag in ("input", "select", "textarea") and "name" in attributes:
            form = self.forms[-1]
            form.names.add(attributes["name"])
            if tag == "input" and (attributes.get("type") != "checkbox" or "checked" in attributes):
                form.fields[attributes["name"]] = attributes.get("value", "")


class Visitor:
    """Somebody with a browser without scripts."""

    def __init__(self, box: BoxProcess) -> None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # a box shows its own certificate, and this is no test of TLS
        self.http = httpx.Client(base_url=box.url, verify=context, trust_env=False, timeout=30)

    def __enter__(self) -> "Visitor":
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def look(self, path: str) -> httpx.Response:
        """A page, with redirects followed."""
        return self.http.get(path, follow_redirects=True)

    def forms(self, path: str) -> dict[str, Form]:
        """The page's forms by where they go."""
        return {form.action: form for form in _Page(self.look(path).text).forms}

    def submit(
        self, page: str, action: str, *, files: dict[str, bytes] | None = None, follow: bool = True, **fields: Any
    ) -> httpx.Response:
        """Opens the page, fills the form that goes to `action`, sends it; a None unticks a box."""
        form = self.forms(page)[action]
        unknown = {*fields, *(files or {})} - form.names
        assert not unknown, f"the form has no {unknown}"
        content = {name: value for name, value in {**form.fields, **fields}.items() if value is not None}
        for name in files or {}:
            content.pop(name)
        return self.http.post(action, data=content, files=files, follow_redirects=follow)

    def log_in(self, interface: str, username: str = "admin", password: str = PASSWORD) -> httpx.Response:
        """Fills in the log-in form."""
        path = f"/{interface}/log-in"
        return self.submit(path, path, username=username, password=password)

    def cookie(self, interface: str) -> str | None:
        """The session's cookie."""
        name = COOKIE["login" if interface == "login" else "appliance"]
        return self.http.cookies.get(name, path=f"/{interface}")


def heading(response: httpx.Response) -> str:
    """What stands at the top of a page."""
    match = re.search(r"<h1>(.*?)</h1>", response.text)
    assert match, response.text[:200]
    return match[1]
