"""Who is asking, where a reverse proxy stands in front: its word is taken, and nobody else's."""

from typing import Any

from django.conf import settings
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware


def behind_proxies(application: Any) -> Any:
    """The application, with X-Forwarded-For and X-Forwarded-Proto read where they come from one of TRUSTED_PROXIES.

    uvicorn itself believes whoever is on this machine, so it is started with `--no-proxy-headers`.
    """
    if not settings.TRUSTED_PROXIES:
        return application
    return ProxyHeadersMiddleware(application, trusted_hosts=list(settings.TRUSTED_PROXIES))
