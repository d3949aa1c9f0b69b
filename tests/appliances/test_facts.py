"""Facts of a new box that is off, fresh from the factory, or in use."""

import pytest

from tests.appliances.recorded import answered
from tests.step_context import StubBox
from toolkit.appliances.facts import read_facts
from toolkit.appliances.protocol import BoxStatus, CertificateEntry, NetworkSettings, ResetStatus
from toolkit.model.errors import AuthenticationError, UnreachableError

STATUS = BoxStatus.model_validate(answered("status"))
NETWORK = NetworkSettings.model_validate(answered("network"))
CERTIFICATES = tuple(CertificateEntry.model_validate(row) for row in answered("certificates"))
RESET = ResetStatus(serial_number="NEW-0001", state="none")


def in_use(name: str, **answers: object) -> StubBox:
    known = {"status": STATUS, "network": NETWORK, "certificates": CERTIFICATES, "reset_status": RESET}
    return StubBox(name, "10.77.0.11", **{**known, **answers})


def test_both_boxes_are_only_looked_at() -> None:
    old, new = in_use("old"), in_use("new")
    facts = read_facts(old.appliance, new.appliance, None)
    assert facts.old.status == STATUS
    assert facts.old.network == NETWORK
    assert facts.old.certificates == CERTIFICATES
    assert facts.new.in_use is not None
    assert {*old.asked, *new.asked} == {"status", "network", "certificates", "reset_status"}


def test_a_new_box_that_is_off_is_a_fact() -> None:
    new = StubBox("new", "10.77.0.22", reset_status=UnreachableError("off"))
    facts = read_facts(in_use("old").appliance, new.appliance, None)
    assert (facts.new.answers, facts.new.serial_number, facts.new.in_use) == (False, None, None)


def test_a_factory_box_says_its_serial_number_only() -> None:
    new = StubBox("new", "10.77.0.22", reset_status=RESET, status=AuthenticationError("no account"))
    facts = read_facts(in_use("old").appliance, new.appliance, None)
    assert (facts.new.answers, facts.new.serial_number, facts.new.in_use) == (True, "NEW-0001", None)


def test_an_old_box_that_does_not_answer_is_no_fact() -> None:
    with pytest.raises(UnreachableError):
        read_facts(in_use("old", status=UnreachableError("off")).appliance, in_use("new").appliance, None)
