"""Signing in through the university's own service, by OpenID Connect: code flow with PKCE, state and nonce.

The id token's signature, issuer, audience, times and nonce are checked (Authlib); who may come in with it is decided in
`services/outside_sign_in.py`. Settings: OIDC_ISSUER, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET, OIDC_NAME, OIDC_EMAIL_DOMAINS.
"""

import logging
from functools import cache
from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError  # type: ignore[import-untyped]
from authlib.integrations.django_client import OAuth  # type: ignore[import-untyped]
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from joserfc.errors import JoseError

from teams.services import university
from teams.services.outside_sign_in import Claims, SignInRefused

log = logging.getLogger(__name__)

ANSWERS_WITHIN = 10  # seconds
# Not HS256: with a shared secret as the key, a public key could be passed off as one.
SIGNED_BY = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)
CLOCKS_DIFFER_BY = 60  # seconds
DISTRUST = (AuthlibBaseError, JoseError, RuntimeError, KeyError, ValueError, TypeError)


def configured() -> bool:
    return university.configured()


@cache
def _client(issuer: str, client_id: str, secret: str) -> Any:
    return OAuth().register(
        "oidc",
        client_id=client_id,
        client_secret=secret,
        server_metadata_url=f"{issuer.rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={
            "scope": "openid email profile",
            "code_challenge_method": "S256",
            "default_timeout": ANSWERS_WITHIN,
        },
    )


def _provider() -> Any:
    """The client with the provider's own description loaded. Raises SignInRefused when it describes somebody else."""
    client = _client(settings.OIDC_ISSUER, settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET)
    described = client.load_server_metadata()
    if described.get("issuer") != settings.OIDC_ISSUER:
        _client.cache_clear()  # it keeps the description, and the provider or the way to it may be fixed before we restart
        log.error(
            "%s calls itself %s: set OIDC_ISSUER to that",
            settings.OIDC_ISSUER,
            described.get("issuer"),
        )
        raise SignInRefused(
            f"{settings.OIDC_NAME} is not set up rightly here. Tell whoever runs this platform."
        )
    offered = described.get("id_token_signing_alg_values_supported") or ["RS256"]
    described["id_token_signing_alg_values_supported"] = [
        name for name in offered if name in SIGNED_BY
    ] or ["RS256"]
    return client


def send_to_provider(request: HttpRequest) -> HttpResponse:
    """A redirect to the provider's own sign-in page. Raises SignInRefused when it cannot be reached."""
    try:
        where = request.build_absolute_uri(reverse("oidc_callback"))
        answer: HttpResponse = _provider().authorize_redirect(request, where)
    except requests.RequestException as error:
        raise _unreachable(error) from error
    except DISTRUST as error:
        raise _distrusted(error) from error
    return answer


def claims_of(request: HttpRequest) -> Claims:
    """Who came back from the provider, as it signed it. Raises SignInRefused for everything that does not check."""
    wanted = {
        "iss": {"essential": True, "value": settings.OIDC_ISSUER},
        "aud": {"essential": True, "value": settings.OIDC_CLIENT_ID},
        "exp": {"essential": True},
        "sub": {"essential": True},
        "nonce": {"essential": True},
    }
    try:
        client = _provider()
        token = client.authorize_access_token(
            request, claims_options=wanted, leeway=CLOCKS_DIFFER_BY
        )
        claims = token["userinfo"]
        if "email" not in claims:
            told = client.userinfo(token=token)
            if told["sub"] != claims["sub"]:
                raise ValueError("the userinfo is about somebody else than the id token")
            claims = {**told, **claims}
        return Claims.read(settings.OIDC_ISSUER, claims)
    except requests.RequestException as error:
        raise _unreachable(error) from error
    except DISTRUST as error:
        raise _distrusted(error) from error


def _unreachable(error: Exception) -> SignInRefused:
    log.error("OpenID Connect: %s does not answer: %s", settings.OIDC_ISSUER, error)
    return SignInRefused(
        f"{settings.OIDC_NAME} does not answer. Try again in a minute, or sign in with your password."
    )


def _distrusted(error: Exception) -> SignInRefused:
    log.warning("OpenID Connect: refused: %s", error)
    return SignInRefused(
        f"What {settings.OIDC_NAME} sent could not be trusted, or it took too long. Start again from the sign-in page."
    )
