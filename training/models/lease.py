"""Names of leases, and how long one lasts: who works on a run holds one (`training.models.run`)."""

import hashlib
import os
import uuid
from datetime import timedelta

from django.conf import settings as django_settings


def host_name() -> str:
    """What this host is called on pages and in leases."""
    return str(django_settings.HOST_NAME)


def lease_owner(pid: int) -> str:
    """How every lease begins that a process of this machine takes; lets its parent tell whose run a killed child had."""
    host = hashlib.sha256(host_name().encode()).hexdigest()[:6]
    return f"{host}-{pid}-"


def new_lease() -> str:
    return (lease_owner(os.getpid()) + uuid.uuid4().hex)[:32]


def lease_time() -> timedelta:
    """How long a worker may be silent before its run is given to another."""
    return timedelta(seconds=django_settings.RUN_LEASE_SECONDS)
