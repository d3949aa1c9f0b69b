"""Somebody who reads a box's pages and fills in its forms, over real TLS."""

import re
import ssl
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx

from tests.emulator.appliance.box_process import ADMIN_PASSWORD, SHARED, BoxProcess, in_use_order
from toolkit.emulator.appliance.pages.visit import COOKIE


def in_use(folder: Path, **fields: Any) -> BoxProcess:
    """A box that serves a site, switched on; every account has ADMIN_PASSWORD."""
    order = in_use_order(
        site_version="Bomgar-12.1.6", shared_addresses=[{"address": f"{SHARED}/24", "enabled": True}], **fields
    )
    return BoxProcess(folder, order).power_on()


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
        self.http = httpx.Client(base_url=box.url(), verify=context, trust_env=False, timeout=30)

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

    def log_in(self, interface: str, username: str = "admin", password: str = ADMIN_PASSWORD) -> httpx.Response:
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
