"""What a BMC tells and does, asked of a real Redfish service; and what people are told when it will not."""

from pathlib import Path

import pytest

from tests.provision.metal.bmc_proxy import Answer, Hangs, bmc_proxy
from tests.provision.metal.conftest import MAC, UUID, Metal
from tests.provision.metal.hall import PASSWORD, USER
from toolkit.model.errors import AuthenticationError, InputError, UnreachableError, VerificationError
from toolkit.provision.metal import bmc_session
from toolkit.provision.metal.bmc import Bmc
from toolkit.provision.metal.bmc_answers import BootOverride

pytestmark = pytest.mark.vm


def test_it_tells_what_its_machine_is(metal: Metal) -> None:
    bmc = metal.bmc()
    facts = bmc.facts()
    assert (facts.system, facts.uuid, facts.macs, facts.power) == (UUID, UUID, (MAC,), "Off")
    assert not bmc.medium().inserted
    assert bmc.boot_override() == BootOverride("Hdd", "Continuous")


def test_a_wrong_password_is_told_as_such_and_not_repeated(metal: Metal) -> None:
    with pytest.raises(AuthenticationError, match="refuses our account") as refused:
        Bmc.connect(metal.hall.url, USER, "not the password", tls_sha256=metal.hall.tls_sha256)
    assert "not the password" not in str(refused.value)


def test_a_password_is_not_sent_to_a_stranger_at_the_right_address(metal: Metal) -> None:
    before = metal.hall.emulator_log
    with pytest.raises(AuthenticationError, match=f"it shows {metal.hall.tls_sha256}"):
        Bmc.connect(metal.hall.url, USER, PASSWORD, tls_sha256="ab" * 32)
    assert "GET" not in metal.hall.emulator_log.removeprefix(before)


def test_a_certificate_of_the_named_authority_will_do(metal: Metal) -> None:
    bmc = Bmc.connect(metal.hall.url, USER, PASSWORD, ca_file=f"{metal.hall.folder}/bmc.pem")
    assert not bmc.is_on()


def test_nobody_at_the_address(metal: Metal) -> None:
    with pytest.raises(UnreachableError, match="Connection refused"):
        Bmc.connect(f"https://{metal.hall.address}:9", USER, PASSWORD, tls_sha256="ab" * 32)


def test_a_system_that_is_not_there_is_named_with_those_that_are(metal: Metal) -> None:
    with pytest.raises(InputError, match=f"no system blade-7: it has {UUID}"):
        Bmc.connect(metal.hall.url, USER, PASSWORD, tls_sha256=metal.hall.tls_sha256, system="blade-7")


def test_it_has_to_be_told_which_of_several_systems_is_meant(metal: Metal) -> None:
    other = "6a1f7f0e-0000-4000-8000-000000000002"
    text = metal.domain.XMLDesc(0).replace(UUID, other).replace("<name>metal<", "<name>other<")
    second = metal.hall.connection.defineXML(text)
    try:
        with pytest.raises(InputError, match="not told which"):
            metal.bmc()
        chosen = Bmc.connect(metal.hall.url, USER, PASSWORD, tls_sha256=metal.hall.tls_sha256, system=other)
        assert chosen.facts().system == other
    finally:
        second.undefine()


def test_a_system_without_virtual_media_is_told_with_the_way_out(metal: Metal, tmp_path: Path) -> None:
    def without(method: str, path: str, answer: Answer) -> Answer:
        return answer.instead(404) if "VirtualMedia" in path else answer

    with (
        bmc_proxy(metal.hall, tmp_path / "proxy", without) as (url, pin),
        pytest.raises(InputError, match='driver = "operator"'),
    ):
        metal.bmc(url, pin).medium()


def test_power_goes_on_and_off_and_is_read_back(metal: Metal) -> None:
    bmc = metal.bmc()
    bmc.switch_on()
    assert (bmc.is_on(), metal.on) == (True, True)
    bmc.switch_off(at_once=True)
    assert (bmc.is_on(), metal.on) == (False, False)


def test_a_bmc_that_only_says_that_it_has_taken_the_boot_order_is_not_believed(metal: Metal, tmp_path: Path) -> None:
    def deaf(method: str, path: str, answer: Answer) -> Answer:
        return answer.instead(204) if method == "PATCH" else answer

    with (
        bmc_proxy(metal.hall, tmp_path / "proxy", deaf) as (url, pin),
        pytest.raises(VerificationError, match="boots from Hdd"),
    ):
        metal.bmc(url, pin).boot_once_from_cd()


def test_every_call_has_a_time_limit(metal: Metal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bmc_session, "ANSWER_SECONDS", 3.0)
    answers = True

    def hangs(method: str, path: str, answer: Answer) -> Answer:
        if not answers:
            raise Hangs
        return answer

    with bmc_proxy(metal.hall, tmp_path / "proxy", hangs) as (url, pin):
        bmc = metal.bmc(url, pin)
        answers = False
        with pytest.raises(UnreachableError, match="no answer within 3 s"):
            bmc.is_on()
