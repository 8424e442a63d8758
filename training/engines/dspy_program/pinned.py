"""Names that the platform has looked up and checked: whoever asks for one in this process gets those addresses and no others.

Both of DSPy's clients look a name up by `socket.getaddrinfo` whenever they connect. A provider's name that says another thing
then (an address inside, say) reaches nobody. Certificates are still checked against the name.
"""

import socket
import threading
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

_look_up = socket.getaddrinfo
_guard = threading.Lock()
_pinned: dict[str, tuple[str, ...]] = {}


def pin(url: str, addresses: Sequence[str]) -> None:
    """From now on the host of `url` has these addresses here; none given: it is looked up as ever again."""
    host = _plain(urlsplit(url).hostname or "")
    if not host:
        return
    with _guard:
        _pinned.pop(host, None)
        if addresses:
            _pinned[host] = tuple(addresses)
            socket.getaddrinfo = _checked


def _plain(host: Any) -> str:
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
    return text.lower().rstrip(".")


def _checked(host: Any, *given: Any, **named: Any) -> list[Any]:
    """As `socket.getaddrinfo`. Raises socket.gaierror where none of a pinned name's addresses is of the family asked for."""
    addresses = _pinned.get(_plain(host))
    if addresses is None:
        return _look_up(host, *given, **named)
    found: list[Any] = []
    trouble = socket.gaierror(socket.EAI_NONAME, "no address of this name was checked")
    for address in addresses:
        try:
            found += _look_up(address, *given, **named)
        except socket.gaierror as error:  # IPv6 where IPv4 is asked for, or the other way round
            trouble = error
    if not found:
        raise trouble
    return found
