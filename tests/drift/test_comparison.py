"""What has changed on the old box, and how the new one stands to it: every kind and way, and nothing for no change."""

from copy import deepcopy
from typing import Any

import pytest

from tests.box_settings.boxes import accounts, address, certificate, new_box, old_box
from toolkit.drift.comparison import Change, How, Standing, changed_on_new, compare
from toolkit.drift.shown import digests, shown
from toolkit.model.box import NetworkRoute, TlsSettings

USERS: list[dict[str, Any]] = [
    {"id": "user-0001", "username": "admin", "email": "a@example.net", "rights": ["administrator"], "enabled": True},
    {"id": "user-0002", "username": "ana", "email": "ana@example.net", "rights": ["support"], "enabled": True},
    {"id": "user-0003", "username": "rui", "email": "rui@example.net", "rights": ["support"], "enabled": True},
]
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "users": USERS,
    "teams": [{"id": "team-01", "name": "Desk", "code_name": "desk", "lead": "user-0002", "members": ["user-0003"]}],
    "jump-clients": [{"id": "jump-1", "name": "till", "hostname": "till.example.net", "last_seen": 1, "comments": ""}],
    "options": [{"id": "login.failures", "value": 5}],
}
CARLA = {"id": "user-0004", "username": "carla", "email": "c@example.net", "rights": ["support"], "enabled": True}
ROUTE = NetworkRoute(destination="10.9.0.0/16", gateway="10.78.0.9")
OLD, NEW = (
    old_box(),
    new_box(
        routes=old_box().network.routes,
        **{name: getattr(old_box().network, name) for name in ("dns_servers", "ntp_servers")},
    ),
)


def site(**changed: Any) -> dict[str, list[dict[str, Any]]]:
    return {**deepcopy(SETTINGS), **changed}


def user(name: str, **fields: Any) -> list[dict[str, Any]]:
    return [{**one, **fields} if one["username"] == name else one for one in deepcopy(USERS)]


def found(
    now: dict[str, Any], new: dict[str, Any] | None = None, *, box: Any = OLD, new_box: Any = NEW, **named: Any
) -> tuple[Change, ...]:
    return compare(shown(site(), OLD), shown(now, box), shown(new or site(), new_box), **named)


def test_a_box_left_alone_shows_no_change_whatever_moves_by_itself() -> None:
    later = site()
    later["jump-clients"][0]["last_seen"] = 2
    addresses = tuple(
        one.model_copy(update={"enabled": not one.shared and one.enabled}) for one in OLD.network.addresses
    )
    ports = tuple(one.model_copy(update={"link": False, "speed_mbps": None}) for one in OLD.network.interfaces)
    moved = OLD.model_copy(
        update={
            "clock_offset_seconds": 2.0,
            "network": OLD.network.model_copy(update={"addresses": addresses, "interfaces": ports}),
        }
    )
    assert found(later, box=moved) == ()
    assert digests(shown(later, moved)) == digests(shown(site(), OLD))


CHANGES: dict[str, tuple[dict[str, Any], str, How]] = {
    "user added": (site(users=[*USERS, CARLA]), "users/user-0004", How.ADDED),
    "user disabled": (site(users=user("rui", enabled=False)), "users/user-0003", How.CHANGED),
    "user removed": (site(users=USERS[:2]), "users/user-0003", How.REMOVED),
    "rights changed": (site(users=user("ana", rights=["support", "jump"])), "users/user-0002", How.CHANGED),
    "team changed": (site(teams=[{**SETTINGS["teams"][0], "members": []}]), "teams/team-01", How.CHANGED),
    "team removed": (site(teams=[]), "teams/team-01", How.REMOVED),
    "Jump Client added": (
        site(**{"jump-clients": [*SETTINGS["jump-clients"], {"id": "jump-2", "hostname": "kiosk.example.net"}]}),
        "jump-clients/jump-2",
        How.ADDED,
    ),
    "option changed": (site(options=[{"id": "login.failures", "value": 3}]), "options/login.failures", How.CHANGED),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_a_setting_is_found_missing_and_is_settled_once_the_new_box_shows_it(name: str) -> None:
    now, key, how = CHANGES[name]
    (change,) = found(now)
    assert (change.key, change.how, change.standing) == (key, how, Standing.MISSING)
    assert not change.settled
    assert digests(shown(now, OLD)) != digests(shown(site(), OLD))
    (change,) = found(now, now)
    assert (change.standing, change.settled) == (Standing.THERE, True)


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_meant_to_stay_behind_is_told_and_settled(name: str) -> None:
    now, key, _ = CHANGES[name]
    (change,) = found(now, leave=[key])
    assert (change.standing, change.settled) == (Standing.LEFT, True)


BOX_CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any], str, How]] = {
    "route added": (
        {"routes": (*OLD.network.routes, ROUTE)},
        {"routes": (*OLD.network.routes, ROUTE)},
        "box-settings/route 10.9.0.0/16",
        How.ADDED,
    ),
    "route removed": ({"routes": ()}, {"routes": ()}, "box-settings/route 10.200.0.0/16", How.REMOVED),
    "DNS server changed": (
        {"dns_servers": ("10.77.0.4",)},
        {"dns_servers": ("10.77.0.4",)},
        "box-settings/dns_servers",
        How.CHANGED,
    ),
    "gateway changed": ({"gateway": "10.77.0.254"}, {"gateway": "10.77.0.254"}, "box-settings/gateway", How.CHANGED),
    "TLS changed": (
        {"tls": TlsSettings(minimum_version="TLSv1.3")},
        {"tls": TlsSettings(minimum_version="TLSv1.3")},
        "box-settings/tls",
        How.CHANGED,
    ),
    "API account added": (
        {"accounts": accounts("rebox", "scanner")},
        {"accounts": accounts("rebox", "scanner")},
        "box-settings/API account scanner",
        How.ADDED,
    ),
    "shared address added": (
        {"addresses": (*OLD.network.addresses, address("eth0", "10.77.0.30/24", shared=True, enabled=False))},
        {"addresses": (*NEW.network.addresses, address("ens3", "10.77.0.30/24", shared=True, enabled=False))},
        "box-settings/shared address 10.77.0.30",
        How.ADDED,
    ),
}


@pytest.mark.parametrize("name", BOX_CHANGES)
def test_a_change_of_the_box_itself_is_found_and_settled_once_the_new_box_shows_it(name: str) -> None:
    on_old, on_new, key, how = BOX_CHANGES[name]
    base = {name: getattr(NEW.network, name) for name in ("routes", "dns_servers", "ntp_servers")}
    (change,) = found(site(), box=old_box(**on_old))
    assert (change.key, change.how, change.standing) == (key, how, Standing.MISSING)
    (change,) = found(site(), box=old_box(**on_old), new_box=new_box(**{**base, **on_new}))
    assert change.standing is Standing.THERE


def test_a_certificate_that_was_replaced_is_missing_until_the_new_box_serves_it_and_no_longer_the_old_one() -> None:
    other = certificate("renewed", "10.77.0.20", "10.77.0.21").model_copy(update={"sha256": "1" * 64})
    replaced = old_box(certificates=(other,))
    before = new_box(certificates=(certificate("support.example.net", "10.77.0.22"),))
    changes = {
        change.id: change for change in compare(shown(site(), OLD), shown(site(), replaced), shown(site(), before))
    }
    assert (changes["1" * 64].standing, changes["0" * 64].standing) == (Standing.MISSING, Standing.MISSING)
    assert "1" * 64 in changes["1" * 64].by_hand()
    serving = other.model_copy(update={"addresses": ("10.77.0.22",)})
    kept = certificate("support.example.net")
    after = new_box(certificates=(serving, kept))
    assert all(change.settled for change in compare(shown(site(), OLD), shown(site(), replaced), shown(site(), after)))


def test_the_same_record_changed_on_both_boxes_names_both_versions() -> None:
    now = site(users=user("ana", email="ana@old.example"))
    (change,) = found(now, site(users=user("ana", email="ana@new.example")))
    assert change.standing is Standing.CONFLICT
    assert "ana@old.example" in change.words()
    assert "ana@new.example" in change.words()
    (change,) = found(site(users=[*USERS, CARLA]), site(users=[*USERS, {**CARLA, "email": "other@example.net"}]))
    assert change.standing is Standing.CONFLICT
    (change,) = found(site(users=user("rui", enabled=False)), site(users=USERS[:2]))
    assert change.standing is Standing.CONFLICT, "gone on the new box, which is not what the old one says"


def test_a_user_made_by_hand_has_another_number_and_is_known_by_name_also_inside_of_a_team() -> None:
    now = site(users=[*USERS, CARLA], teams=[{**SETTINGS["teams"][0], "members": ["user-0003", "user-0004"]}])
    by_hand = {**CARLA, "id": "user-0017"}
    other = {"id": "user-0004", "username": "new.colleague", "enabled": True}
    new = site(users=[*USERS, other, by_hand], teams=[{**SETTINGS["teams"][0], "members": ["user-0017", "user-0003"]}])
    assert [(change.key, change.standing) for change in found(now, new)] == [
        ("users/user-0004", Standing.THERE),
        ("teams/team-01", Standing.THERE),
    ]


def test_no_secret_stands_in_what_is_told() -> None:
    now = site(options=[{"id": "login.failures", "value": 5}, {"id": "mail", "smtp_password": "hunter2hunter2"}])
    (change,) = found(now)
    assert "hunter2" not in change.model_dump_json() + change.words() + change.by_hand()


def test_a_host_name_is_each_boxs_own_unless_the_inventory_carries_it() -> None:
    renamed = old_box(hostname="renamed")
    (change,) = found(site(), box=renamed)
    assert (change.key, change.standing) == ("box-settings/hostname", Standing.OWN)
    (change,) = found(site(), box=renamed, hostname=True)
    assert change.standing is not Standing.OWN


def test_own_addresses_and_names_are_each_boxs_own_and_are_told() -> None:
    moved = tuple(
        one.model_copy(update={"address": "10.78.0.99"}) if one.interface == "eth1" else one
        for one in OLD.network.addresses
    )
    changes = found(site(), box=old_box(addresses=moved))
    assert {change.standing for change in changes} == {Standing.NOT_COMPARABLE}
    assert all("leave_changes" in change.by_hand() for change in changes)
    own_way_out = new_box(
        **{n: getattr(NEW.network, n) for n in ("routes", "dns_servers", "ntp_servers")}, **{}
    ).model_copy(update={"network": NEW.network.model_copy(update={"gateway": "10.77.0.99"})})
    (change,) = found(site(), box=old_box(gateway="10.77.0.254"), new_box=own_way_out)
    assert change.standing is Standing.OWN


def test_what_the_new_box_has_besides_is_its_own_and_what_it_lacks_is_told() -> None:
    assert changed_on_new(shown(site(), OLD), shown(site(users=[*USERS, CARLA]), NEW)) == ()
    expected = shown(site(users=[*USERS, CARLA]), OLD)
    (lost,) = changed_on_new(expected, shown(site(), NEW))
    assert (lost.key, lost.how) == ("users/user-0004", How.REMOVED)
    (changed,) = changed_on_new(shown(site(), OLD), shown(site(options=[{"id": "login.failures", "value": 9}]), NEW))
    assert (changed.key, changed.how) == ("options/login.failures", How.CHANGED)
    assert changed_on_new(expected, shown(site(), NEW), leave=["users/user-0004"]) == ()
