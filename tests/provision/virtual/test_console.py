"""What a box says on its console: the certificate it says last counts, and the end is shown to people."""

from tests.provision.virtual.small_image import ADDRESS, ANNOUNCED, CERTIFICATE
from toolkit.provision.announcement import announced_certificate
from toolkit.provision.virtual.console import tail


def test_the_last_announcement_for_the_boxs_own_address_counts() -> None:
    other = "ab" * 32
    said = f"certificate sha256: {other} on {ADDRESS}\r\n[  OK  ] Started\r\n{ANNOUNCED}"
    said += f"certificate sha256: {other} on 10.79.0.120\r\ncertificate sha256: {other} on fe80::1\r\n"
    assert announced_certificate(said, ADDRESS) == CERTIFICATE


def test_half_a_line_is_not_read() -> None:
    assert announced_certificate(ANNOUNCED[:-2], ADDRESS) is None
    assert announced_certificate(ANNOUNCED.replace(CERTIFICATE, CERTIFICATE[:40]), ADDRESS) is None


def test_the_tail_has_the_last_lines_and_nothing_that_steers_a_terminal() -> None:
    console = (
        "".join(f"line {number}\r\n" for number in range(40)) + "\x1b[2J\x1b[1;31merror:\x1b[0m no disk\x07\r\n\r\n"
    )
    assert tail(console).startswith("line 26 / ")
    assert tail(console).endswith("line 39 / error: no disk")
    assert tail("") == "nothing"
