"""What this web process counts itself. Everything else that /metrics tells is read from rows when it is asked."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from courseplatform.version import VERSION

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

registry = CollectorRegistry()
ProcessCollector(registry=registry)
PlatformCollector(registry=registry)
GCCollector(registry=registry)

_requests = Counter(
    "course_http_requests",
    "Requests answered by this web process, by page and by class of status.",
    ["view", "status"],
    registry=registry,
)
_seconds = Histogram(
    "course_http_request_seconds",
    "Seconds until the answer began; a stream goes on after that.",
    ["view"],
    buckets=SECONDS,
    registry=registry,
)
_build = Gauge(
    "course_build_info", "1, with the version of this process.", ["version"], registry=registry
)
_build.labels(VERSION).set(1)


def request_answered(view: str, status: int, seconds: float) -> None:
    """`view`: the name of a URL pattern, of which there are some hundred, or `none`."""
    _requests.labels(view, f"{status // 100}xx").inc()
    _seconds.labels(view).observe(seconds)
