"""Firmware through a BMC: what is offered is asked for as it is offered, and what is not is not tried.

By a Redfish service of the tests' own, since sushy-emulator publishes no defaults, has no keys and resets no BMC; what
it has, the BIOS, is reset on a machine of it below.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.provision.metal.conftest import Metal
from tests.provision.metal.hall import PASSWORD, USER
from tests.provision.metal.redfish_stub import MAC, MANAGER, SERIAL, SYSTEM, RedfishStub, collection, link, redfish_stub
from tests.provision.metal.story import boot, boot_of, settings
from toolkit.model.errors import ApplianceError
from toolkit.model.firmware import BiosState
from toolkit.provision.metal.bmc import Bmc
from toolkit.provision.metal.bmc_firmware import BmcFirmware
from toolkit.provision.metal.old_firmware import OldFirmware

BIOS, SECURE = f"{SYSTEM}/Bios", f"{SYSTEM}/SecureBoot"
KEYS_OFFERED = {"ResetKeysType@Redfish.AllowableValues": ["ResetAllKeysToDefault", "DeleteAllKeys"]}


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedfishStub]:
    # the system's authorities, of which none counts here, are read anew for every request and take the longest
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "bmc.pem"))
    with redfish_stub(tmp_path) as stub:
        yield stub


def firmware(stub: RedfishStub) -> BmcFirmware:
    return BmcFirmware(stub.bmc())


def with_bios(stub: RedfishStub, **fields: Any) -> dict[str, Any]:
    stub.system["Bios"] = link(BIOS)
    bios = stub.resources[BIOS] = {"Id": "Bios", "Attributes": {"BootMode": "Legacy"}, **fields}
    stub.offer(BIOS, "Bios.ResetBios", lambda body: bios.update(Attributes={"BootMode": "Uefi"}))
    return bios


def with_registry(stub: RedfishStub, *entries: dict[str, Any]) -> None:
    file, content = "/redfish/v1/Registries/BiosAttributes.v1_2_0", "/redfish/v1/Registries/BiosAttributes.json"
    stub.resources["/redfish/v1/"]["Registries"] = link("/redfish/v1/Registries")
    stub.resources["/redfish/v1/Registries"] = collection("/redfish/v1/Registries/Messages", file)
    location = [{"Language": "de", "Uri": "/nowhere"}, {"Language": "en-US", "Uri": content}]
    stub.resources[file] = {"Id": "BiosAttributes.v1_2_0", "Registry": "BiosAttributes.1.2.0", "Location": location}
    stub.resources[content] = {"Id": "BiosAttributes.v1_2_0", "RegistryEntries": {"Attributes": [*entries]}}


def test_a_bmc_that_offers_nothing_is_asked_for_nothing(stub: RedfishStub) -> None:
    offered = firmware(stub)
    assert (offered.bios(), offered.key_databases(), offered.bmc_reset()) == (None, (), None)
    with pytest.raises(ApplianceError, match=r"does not offer Bios\.ResetBios"):
        offered.reset_bios()
    assert stub.posted == []


def test_a_bios_whose_reset_is_not_offered_is_read_by_nobody(stub: RedfishStub) -> None:
    with_bios(stub)["Actions"].clear()
    assert firmware(stub).bios() is None


def test_the_bios_is_read_beside_its_published_defaults_and_reset(stub: RedfishStub) -> None:
    with_bios(stub, AttributeRegistry="BiosAttributes.v1_2_0")
    with_registry(
        stub,
        {"AttributeName": "BootMode", "DefaultValue": "Uefi"},
        {"AttributeName": "AssetTag", "DefaultValue": "", "IsSystemUniqueProperty": True},
        {"AttributeName": "CoreCount", "DefaultValue": 8, "ReadOnly": True},
        {"AttributeName": "SetupPassword", "DefaultValue": "", "Type": "Password"},
        {"AttributeName": "Mystery", "DefaultValue": None},
    )
    bios = firmware(stub)
    assert bios.bios() == BiosState({"BootMode": "Legacy"}, {"BootMode": "Uefi"})
    bios.reset_bios()
    assert stub.posted == [("Bios.ResetBios", {})]
    assert bios.bios() == BiosState({"BootMode": "Uefi"}, {"BootMode": "Uefi"})


def test_a_reset_that_waits_for_a_start_is_told_as_that(stub: RedfishStub) -> None:
    with_bios(stub, ResetBiosToDefaultsPending=True)
    assert firmware(stub).bios() == BiosState({"BootMode": "Legacy"}, {}, pending=True)


@pytest.mark.parametrize("nonsense", [{"Attributes": 7}, {"AttributeRegistry": "Gone.v1"}, {"AttributeRegistry": 5}])
def test_a_bios_that_says_nonsense_is_read_as_far_as_it_goes(stub: RedfishStub, nonsense: dict[str, Any]) -> None:
    with_bios(stub, **nonsense)
    with_registry(stub, {"AttributeName": "BootMode", "DefaultValue": "Uefi"})
    found = firmware(stub).bios()
    assert found
    assert found.defaults == {}


def keys(stub: RedfishStub, **databases: str) -> None:
    stub.system["SecureBoot"] = link(SECURE)
    stub.resources[SECURE] = {"Id": "SecureBoot", "SecureBootDatabases": link(f"{SECURE}/Databases")}
    stub.resources[f"{SECURE}/Databases"] = collection(*(f"{SECURE}/Databases/{name}" for name in databases))
    for name, text in databases.items():
        path = f"{SECURE}/Databases/{name}"
        stub.resources[path] = {"Id": name, "DatabaseId": name, "Certificates": link(f"{path}/Certificates")}
        stub.resources[f"{path}/Certificates"] = collection(f"{path}/Certificates/1")
        stub.resources[f"{path}/Certificates/1"] = {"CertificateString": text}


def test_secure_boot_keys_are_reset_and_read_back_beside_the_factorys(stub: RedfishStub) -> None:
    keys(stub, PK="ours", PKDefault="the\nfactory's", db="same", dbDefault="same", dbt="no factory's")

    def back(body: dict[str, Any]) -> None:
        stub.resources[f"{SECURE}/Databases/PK/Certificates/1"]["CertificateString"] = "the factory's"

    stub.offer(SECURE, "SecureBoot.ResetKeys", back, **KEYS_OFFERED)
    secure = firmware(stub)
    assert [(each.name, each.enrolled == each.factory) for each in secure.key_databases()] == [
        ("PK", False),
        ("db", True),
    ]
    secure.reset_keys()
    assert stub.posted == [("SecureBoot.ResetKeys", {"ResetKeysType": "ResetAllKeysToDefault"})]
    assert all(each.enrolled == each.factory for each in secure.key_databases())


def test_keys_that_could_only_be_deleted_are_left(stub: RedfishStub) -> None:
    keys(stub, PK="ours", PKDefault="factory")
    deletes = {"ResetKeysType@Redfish.AllowableValues": ["DeleteAllKeys"]}
    stub.offer(SECURE, "SecureBoot.ResetKeys", lambda body: pytest.fail("deleted"), **deletes)
    assert firmware(stub).key_databases() == ()


def offer_bmc_reset(stub: RedfishStub, *allowed: str) -> None:
    def forget(body: dict[str, Any]) -> None:
        stub.password = "the maker's"

    stub.offer(MANAGER, "Manager.ResetToDefaults", forget, **{"ResetType@Redfish.AllowableValues": [*allowed]})


@pytest.mark.parametrize(
    ("allowed", "how"),
    [
        (("ResetAll", "PreserveNetwork", "PreserveNetworkAndUsers"), "PreserveNetwork"),
        (("ResetAll",), "ResetAll"),
        (("PreserveNetworkAndUsers",), None),
        ((), None),
    ],
)
def test_the_bmc_is_reset_so_that_it_forgets_its_accounts_and_stays_within_reach_if_it_can(
    stub: RedfishStub, allowed: tuple[str, ...], how: str | None
) -> None:
    offer_bmc_reset(stub, *allowed)
    assert firmware(stub).bmc_reset() == how


def test_a_bmc_that_manages_other_machines_too_is_left_alone(stub: RedfishStub) -> None:
    offer_bmc_reset(stub, "ResetAll")
    stub.resources[MANAGER]["Links"]["ManagerForServers"].append(link("/redfish/v1/Systems/2"))
    assert firmware(stub).bmc_reset() is None
    # where it does not say whom it serves, its systems tell
    del stub.resources[MANAGER]["Links"]
    assert firmware(stub).bmc_reset() == "ResetAll"
    stub.resources["/redfish/v1/Systems"] = {"Name": "Systems", **collection(SYSTEM, "/redfish/v1/Systems/2")}
    one_of_two = Bmc.connect(stub.url, USER, PASSWORD, tls_sha256=stub.tls_sha256, system="1")
    assert BmcFirmware(one_of_two).bmc_reset() is None


def old_firmware(stub: RedfishStub, folder: Path) -> OldFirmware:
    given = settings(stub.url, stub.tls_sha256, "127.0.0.1", folder / "console")
    return OldFirmware(lambda: boot(folder, given, uuid=None), "bios-and-bmc")


def test_a_bmc_that_was_reset_takes_our_account_no_more(stub: RedfishStub, tmp_path: Path) -> None:
    offer_bmc_reset(stub, "PreserveNetwork")
    old = old_firmware(stub, tmp_path)
    old.check_machine()
    assert old.bmc_seen()[0] == "accepts-us"
    old.reset_bmc("PreserveNetwork")
    assert stub.posted == [("Manager.ResetToDefaults", {"ResetType": "PreserveNetwork"})]
    assert old.bmc_seen() == ("refuses-us", "the BMC refuses our account")


def test_a_bmc_that_is_gone_is_silent(tmp_path: Path) -> None:
    with redfish_stub(tmp_path) as stub:
        old = old_firmware(stub, tmp_path)
        old.check_machine()
    assert old.bmc_seen()[0] == "silent"
    old.reset_bmc("ResetAll")  # went away instead of answering: what became of it is seen, not heard


def test_the_machine_is_started_into_its_own_setup_pages_where_it_can_be(stub: RedfishStub, tmp_path: Path) -> None:
    old = old_firmware(stub, tmp_path)
    old.start()
    assert (stub.system["PowerState"], stub.system["Boot"]["BootSourceOverrideTarget"]) == ("On", "BiosSetup")
    old.switch_off()
    assert stub.system["PowerState"] == "Off"


def test_the_stub_is_the_machine_that_the_stories_mean(stub: RedfishStub) -> None:
    facts = stub.bmc().facts()
    assert (facts.serial_number, facts.macs) == (SERIAL, (MAC,))


@pytest.mark.vm
def test_the_bios_of_a_machine_behind_sushy_emulator_goes_back_to_defaults(metal: Metal, tmp_path: Path) -> None:
    old = OldFirmware(lambda: boot_of(metal, tmp_path), "bios-and-bmc")
    found = old.bios()
    assert found
    changed = {**found.attributes, "NicBoot1": "Disabled"}
    bios = metal.bmc().root.get_system_collection().get_members()[0].bios
    bios.set_attributes(changed)
    assert old.bios() == BiosState(changed, {})
    old.reset_bios()
    assert old.bios() == found
    assert (old.key_databases(), old.bmc_reset()) == ((), None), "neither is offered"
