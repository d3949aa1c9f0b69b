"""The errors that callers of this room tell apart."""

from toolkit.model.errors import CertificateError


class PassphraseError(CertificateError):
    """An encrypted key or container, and no passphrase or the wrong one."""

    code = "passphrase"
    exit_status = 2


class PassphraseRequiredError(PassphraseError):
    """It is encrypted and no passphrase was given: the one case in which asking helps."""

    code = "passphrase-required"
