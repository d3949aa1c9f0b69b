"""What a client is shown, over real TLS."""

import socket
import ssl

import httpx
import pytest

from tests.emulator.appliance.box_process import OWN, SHARED, SITE, BoxProcess, in_use_order
from tests.emulator.appliance.conftest import MakeBox
from tests.emulator.appliance.paperwork import Chain


@pytest.mark.parametrize("name", [None, SITE, "a.name.nobody.knows"])
def test_an_assignment_takes_effect_with_the_next_handshake(
    box: BoxProcess, api: httpx.Client, name: str | None
) -> None:
    chain = Chain.issue()
    before = box.served(SHARED, name)
    assert box.served(OWN, name) == before
    files = {"file": ("site.pem", chain.pem + chain.leaf.key_pem("secret"))}
    entry = api.post("/api/v1/certificates/import", files=files, data={"passphrase": "secret"}).json()
    there = f"/api/v1/certificates/{entry['id']}"
    assert api.put(f"{there}/addresses", json={"addresses": [SHARED]}).json()["addresses"] == [SHARED]
    assert box.served(SHARED, name) == chain.leaf.sha256
    assert box.served(OWN, name) == before
    assert api.put(f"{there}/addresses", json={"addresses": []}).status_code == 200
    assert box.served(SHARED, name) == before
    assert api.delete(there).status_code == 204


def test_the_whole_chain_is_sent_so_that_a_client_who_knows_the_root_believes_it(
    box: BoxProcess, api: httpx.Client
) -> None:
    chain = Chain.issue()
    entry = api.post("/api/v1/certificates/import", files={"file": chain.pem + chain.leaf.key_pem()}).json()
    api.put(f"/api/v1/certificates/{entry['id']}/addresses", json={"addresses": [SHARED]})
    host, port = box.place(SHARED)
    context = ssl.create_default_context(cadata=chain.root.pem.decode())
    request = {"headers": {"Host": SITE}, "extensions": {"sni_hostname": SITE}}
    with httpx.Client(verify=context) as client:
        assert client.get(f"https://{host}:{port}/check_health", **request).text == "OK"  # type: ignore[arg-type]
    api.put(f"/api/v1/certificates/{entry['id']}/addresses", json={"addresses": []})
    api.delete(f"/api/v1/certificates/{entry['id']}")


def test_a_connection_that_is_open_stays_open_while_certificates_change(box: BoxProcess, api: httpx.Client) -> None:
    chain = Chain.issue()
    with box.anonymous(SHARED) as client:
        first = client.get("/check_health")
        entry = api.post("/api/v1/certificates/import", files={"file": chain.pem + chain.leaf.key_pem()}).json()
        api.put(f"/api/v1/certificates/{entry['id']}/addresses", json={"addresses": [SHARED]})
        again = client.get("/check_health")
        same = first.extensions["network_stream"].get_extra_info("client_addr")
        assert again.extensions["network_stream"].get_extra_info("client_addr") == same
    api.put(f"/api/v1/certificates/{entry['id']}/addresses", json={"addresses": []})
    api.delete(f"/api/v1/certificates/{entry['id']}")


def test_old_tls_is_refused(box: BoxProcess) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(box.place()) as raw, pytest.raises(ssl.SSLError):
        context.wrap_socket(raw)


def _handshake(box: BoxProcess, version: ssl.TLSVersion) -> tuple[str, str]:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = version
    with socket.create_connection(box.place()) as raw, context.wrap_socket(raw) as connection:
        suite = connection.cipher()
        assert suite is not None
        return connection.version() or "", suite[0]


def test_the_box_keeps_to_its_own_tls_settings_from_the_next_handshake_on_and_after_a_power_cut(
    make_box: MakeBox,
) -> None:
    own = make_box(in_use_order())
    suite = "ECDHE-ECDSA-AES128-GCM-SHA256"
    own.api().put("/api/v1/tls", json={"minimum_version": "TLSv1.2", "ciphers": [suite]})
    assert _handshake(own, ssl.TLSVersion.TLSv1_2) == ("TLSv1.2", suite)
    own.api().put("/api/v1/tls", json={"minimum_version": "TLSv1.3"})
    for _ in range(2):
        assert _handshake(own, ssl.TLSVersion.TLSv1_3)[0] == "TLSv1.3"
        with pytest.raises(ssl.SSLError):
            _handshake(own, ssl.TLSVersion.TLSv1_2)
        own.kill()
        own.power_on()
    own.api().put("/api/v1/tls", json={"minimum_version": "TLSv1.2"})
    assert _handshake(own, ssl.TLSVersion.TLSv1_2)[0] == "TLSv1.2"
