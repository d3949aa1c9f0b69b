"""One authority for all tests of certificates; making keys takes longer than the tests."""

import pytest

from tests.certificates.authority import Authority, Identity


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority.new()


@pytest.fixture(scope="session")
def site(authority: Authority) -> Identity:
    return authority.issue()
