"""Our own key pair, by which an LMS knows that it is us who asks. Public keys are a page; the private one is sealed."""

import logging
from typing import Any

from jwcrypto.jwk import JWK
from lti_tool.models import Key

from teams.services import sealing

log = logging.getLogger(__name__)

OWNER = "lti_tool.key.private_key"
BITS = 2048


def public_keys() -> dict[str, Any]:
    """The JSON Web Key Set that an LMS reads. Makes the first key where there is none."""
    _newest()
    found: dict[str, Any] = Key.objects.as_jwks()
    return found


def signing_key() -> tuple[str, str]:
    """(public, private) in PEM. Where the secret that sealed it is gone, a new pair is made: an LMS reads the keys anew."""
    newest = _newest()
    try:
        return newest.public_key, sealing.open_sealed(newest.private_key, owner=OWNER)
    except sealing.CannotOpen:
        log.warning(
            "the key for learning management systems cannot be opened: a new one is made"
        )
        made = _make()
        return made.public_key, sealing.open_sealed(made.private_key, owner=OWNER)


def seal_anew() -> tuple[int, list[Any]]:
    """Under the first secret of today: how many. One that cannot be opened is not told: it is replaced when it is needed."""
    sealed, _ = sealing.rows_anew(Key.objects.all(), "private_key")
    return sealed, []


def _newest() -> Any:
    return Key.objects.active().order_by("-datetime_created", "-pk").first() or _make()


def _make() -> Any:
    made = JWK.generate(kty="RSA", size=BITS)
    private = made.export_to_pem(private_key=True, password=None).decode()
    return Key.objects.create(
        public_key=made.export_to_pem().decode(),
        private_key=sealing.seal(private, owner=OWNER),
    )
