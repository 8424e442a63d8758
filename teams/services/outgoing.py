"""The one door to addresses that a person typed: no private network, no name that changes its mind, no redirect.

A name is looked up here, every address that it has is checked, and the connection goes to an address that was checked:
what the name says a moment later does not matter. Certificates are still checked against the name. `PROVIDER_PRIVATE_HOSTS`
lists names and networks that whoever runs the platform allows all the same. Proxies of the environment are not used: they
would look the name up themselves.
"""

import ipaddress
import socket
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import httpcore
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from django.conf import settings

MOST_BYTES = 80 * 2**20  # of one answer; a result file may have 64 MiB
MOST_PACKED = (
    64 * 2**10
)  # of one that comes compressed though nobody asked for that: at most a thousand times as much
GUARDED = "guarded"  # of a request's extensions: whether it goes through this door
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
TRANSLATED = tuple(
    ipaddress.ip_network(net)
    for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")
)
"""IPv6 that a gateway turns into some IPv4: what it reaches is not what it says."""


class NotAllowed(Exception):
    """This address is not asked; the message says why and what to do, and names no secret."""


def refusal(url: str) -> str:
    """Why an address may not be asked, in a sentence; empty where it may. Looks its name up."""
    try:
        check(url)
    except NotAllowed as error:
        return str(error)
    return ""


def check(url: str) -> None:
    """Raises NotAllowed."""
    addresses_of(url)


def addresses_of(url: str) -> list[str]:
    """What the host of an address that may be asked is at: for a client that looks names up by itself. Raises NotAllowed."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 443
    except ValueError as error:
        raise NotAllowed(
            f"This is no address: {error}. Write it as https://api.example.com/v1."
        ) from error
    if parts.scheme not in ("https", "http") or not host:
        raise NotAllowed(
            "An address begins with https:// and has a host, for example https://api.example.com/v1."
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise NotAllowed(
            "The address may have no password, question mark or # in it: the key has a field of its own."
        )
    if parts.scheme == "http" and not is_listed(host):
        raise NotAllowed(
            f"A key is sent over https only. Write https://{host}, or ask whoever runs this platform."
        )
    return resolved(host, port)


def resolved(host: str, port: int) -> list[str]:
    """The addresses of a host, each of which may be asked. Raises NotAllowed."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotAllowed(
            f"{host} is not known: no address was found for this name. Look for a slip in it."
        ) from error
    return checked(host, [str(one[4][0]) for one in found])


def checked(host: str, addresses: Iterable[str]) -> list[str]:
    """These addresses of a host, where all of them may be asked. Raises NotAllowed."""
    given = list(dict.fromkeys(addresses))
    if not given:
        raise NotAllowed(f"{host} has no address.")
    for text in given:
        address = ipaddress.ip_address(text.partition("%")[0])
        if not (is_public(address) or is_listed(host) or is_listed(address)):
            raise NotAllowed(
                f"{host} is an address inside a private network ({address}), which is not asked from here. "
                "Whoever runs this platform can allow it by PROVIDER_PRIVATE_HOSTS."
            )
    return given


def is_public(address: Address) -> bool:
    """Of the internet at large: not private, this machine, its link, shared, reserved, or a way round to such a one."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if any(address in net for net in TRANSLATED):
            return False
        if address.is_site_local:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def is_listed(host: str | Address) -> bool:
    """Whether whoever runs the platform allows this host, by name, address or network."""
    for allowed in settings.PROVIDER_PRIVATE_HOSTS:
        if isinstance(host, str):
            if host.lower().rstrip(".") == allowed.lower():
                return True
            continue
        try:
            if host in ipaddress.ip_network(allowed, strict=False):
                return True
        except ValueError:
            continue  # a name
    return False


class _CheckedBackend(httpcore.SyncBackend):
    """Connects to what was checked, not to what the name says next."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            addresses = resolved(host, port)
        except NotAllowed as error:
            raise httpcore.ConnectError(str(error)) from error
        trouble: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                trouble = error
        raise trouble


class _Limited(httpx.SyncByteStream):
    """An answer's body, broken off where it is longer than anybody needs: a worker's memory is not the provider's to fill."""

    def __init__(self, body: httpx.SyncByteStream, most: int) -> None:
        self._body, self._most = body, most

    def __iter__(self) -> Iterator[bytes]:
        left = self._most
        for piece in self._body:
            left -= len(piece)
            if left < 0:
                raise httpx.ReadError("The answer is longer than what is read of one.")
            yield piece

    def close(self) -> None:
        self._body.close()


class CheckedTransport(httpx.HTTPTransport):
    """httpx's own, whose connections go through the door, and whose answers have an end."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        packed = answer.headers.get("content-encoding", "identity").lower() != "identity"
        if isinstance(answer.stream, httpx.SyncByteStream):
            answer.stream = _Limited(answer.stream, MOST_PACKED if packed else MOST_BYTES)
        return answer

    def __init__(self) -> None:
        context = httpx.create_ssl_context(trust_env=False)
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore.ConnectionPool(
            ssl_context=context, network_backend=_CheckedBackend()
        )


def client(*, headers: Mapping[str, str] | None = None, **given: Any) -> httpx.Client:
    """Requests through the door. Never follows a redirect: that would be an address nobody checked, with the key."""
    plain = httpx.Headers(headers)
    plain["Accept-Encoding"] = "identity"
    return httpx.Client(
        transport=CheckedTransport(),
        follow_redirects=False,
        trust_env=False,
        headers=plain,
        **given,
    )


@lru_cache(maxsize=1)
def shared_client() -> httpx.Client:
    """For calls of a worker, several at once."""
    return client()


class CheckedResolver(AbstractResolver):
    """The door for aiohttp, which connects to what this gives. A host that is a bare address never comes here:
    `check_literal` is for those."""

    def __init__(self) -> None:
        self._names = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._names.resolve(host, port, family)
        try:
            checked(host, [one["host"] for one in found])
        except NotAllowed as error:
            raise OSError(str(error)) from error
        return found

    async def close(self) -> None:
        await self._names.close()


def check_literal(host: str) -> None:
    """Raises NotAllowed for a bare address that may not be asked; names are not looked up here."""
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return
    checked(host.strip("[]"), [str(address)])
