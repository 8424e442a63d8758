"""A small OpenID Connect provider on loopback: discovery, authorize, token, keys and userinfo, with real signatures."""

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "course-platform", "a client secret"


@dataclass
class Provider:
    """`person` is who signs in there; `lie` changes the id token before it is signed, `signs_with` with what."""

    person: dict[str, Any] = field(default_factory=dict)
    lie: dict[str, Any] = field(default_factory=dict)
    in_userinfo_only: tuple[str, ...] = ()
    userinfo_lie: dict[str, Any] = field(default_factory=dict)
    calls_itself: str = ""
    signing: str = "right key"
    refuses: str = ""
    issuer: str = ""
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("another", "later"):
            _key(name)  # now, because finding primes may take longer than a platform waits for an answer
        self.key = _key("right")
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=[0.01], daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def described(self) -> dict[str, Any]:
        here = self.issuer
        return {
            "issuer": self.calls_itself or here,
            "authorization_endpoint": f"{here}/authorize",
            "token_endpoint": f"{here}/token",
            "jwks_uri": f"{here}/keys",
            "userinfo_endpoint": f"{here}/userinfo",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        }

    def authorize(self, asked: dict[str, str]) -> str:
        """Where the browser is sent back to: the person agreed, or the provider refused."""
        answer = {"state": asked["state"]}
        if self.refuses:
            answer |= {"error": self.refuses}
        else:
            answer["code"] = secrets.token_urlsafe(12)
            self.codes[answer["code"]] = asked
        return f"{asked['redirect_uri']}?{urlencode(answer)}"

    def token(self, given: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """Each code once, only for the client with the secret and the verifier that it began with."""
        asked = self.codes.pop(given.get("code", ""), None)
        name, _, password = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        digest = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        fits = asked and asked["code_challenge"] == challenge and asked["redirect_uri"] == given["redirect_uri"]
        if not asked or not fits or (name, password) != (CLIENT, SECRET):
            return 400, {"error": "invalid_grant"}
        return 200, {
            "access_token": "an access token",
            "token_type": "Bearer",
            "expires_in": 300,
            "id_token": self._id_token(asked["nonce"]),
        }

    def _id_token(self, nonce: str) -> str:
        now = int(time.time())
        own = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce}
        told = {name: value for name, value in self.person.items() if name not in self.in_userinfo_only}
        claims = {name: value for name, value in {**own, **told, **self.lie}.items() if value is not None}
        if self.signing == "none":
            return f"{_encoded({'alg': 'none'})}.{_encoded(claims)}."
        if self.signing in ("public key as a secret", "client secret"):
            shared = SECRET.encode() if self.signing == "client secret" else self.key.as_pem(private=False)
            return _signed_with_a_secret(claims, shared)
        key = self.key
        if self.signing == "another key":
            key = _key("another")
        return jwt.encode({"alg": "RS256", "kid": key.kid or "one"}, claims, key)

    def change_keys(self) -> None:
        self.key = _key("later")


@cache
def _key(name: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": "two" if name == "later" else "one"}, auto_kid=False)


def _encoded(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _signed_with_a_secret(claims: dict[str, Any], secret: bytes) -> str:
    """By hand: a library that minds what it does refuses to."""
    signed = f"{_encoded({'alg': 'HS256', 'kid': 'one'})}.{_encoded(claims)}"
    digest = hmac.digest(secret, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, query = urlsplit(self.path).path, urlsplit(self.path).query
            provider.asked.append(path)
            if path == "/.well-known/openid-configuration":
                self.answer(200, provider.described())
            elif path == "/keys":
                self.answer(200, {"keys": [provider.key.as_dict(private=False)]})
            elif path == "/userinfo":
                self.answer(200, provider.person | provider.userinfo_lie)
            elif path == "/authorize":
                self.send_response(302)
                asked = {name: values[0] for name, values in parse_qs(query).items()}
                self.send_header("Location", provider.authorize(asked))
                self.end_headers()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            given = {name: values[0] for name, values in parse_qs(body).items()}
            self.answer(*provider.token(given, self.headers.get("Authorization", "")))

        def answer(self, status: int, body: dict[str, Any]) -> None:
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *args: Any) -> None:
            """Quiet: a test's output is its own."""

    return Handler
