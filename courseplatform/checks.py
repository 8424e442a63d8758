"""System checks for traps that would otherwise be found only at run time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from courseplatform import private_files


@register()
def our_datasets_app_is_imported(
    app_configs: Sequence[Any] | None, **kwargs: Any
) -> list[CheckMessage]:
    """E001: `datasets` must be our app in this process; Hugging Face's package of that name would break every import."""
    import datasets

    where = Path(str(datasets.__file__)).resolve()
    if where.parent == (settings.BASE_DIR / "datasets").resolve():
        return []
    return [
        Error(
            f"The name `datasets` is imported from {where}, not from this project.",
            hint="Run from the project root and do not install this project or Hugging Face datasets into the web environment.",
            id="courseplatform.E001",
        )
    ]


@register()
def engines_are_where_the_launcher_looks(
    app_configs: Sequence[Any] | None, **kwargs: Any
) -> list[CheckMessage]:
    """E002: each engine is started by module name from ENGINES_ROOT."""
    missing = [
        name
        for name in ("lora", "dspy_program")
        if not (settings.ENGINES_ROOT / name / "__init__.py").exists()
    ]
    return [
        Error(
            f"Engine package {name} is missing under {settings.ENGINES_ROOT}.",
            id="courseplatform.E002",
        )
        for name in missing
    ]


@register()
def rq_queues_use_json(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """E003: a queue with another serializer than its worker strands its jobs; pickle would execute what Redis holds."""
    wrong = [
        name
        for name, queue in settings.RQ_QUEUES.items()
        if queue.get("SERIALIZER") != "rq.serializers.JSONSerializer"
    ]
    return [
        Error(f"Queue {name} does not use the JSON serializer.", id="courseplatform.E003")
        for name in wrong
    ]


@register()
def the_sign_in_service_is_whole_and_encrypted(
    app_configs: Sequence[Any] | None, **kwargs: Any
) -> list[CheckMessage]:
    """E004: OpenID Connect needs issuer and client, and a connection that nobody can listen to."""
    issuer, client = settings.OIDC_ISSUER, settings.OIDC_CLIENT_ID
    if bool(issuer) != bool(client):
        hint = "Set OIDC_ISSUER, OIDC_CLIENT_ID and OIDC_CLIENT_SECRET, or none of them."
        return [Error("OpenID Connect is half set up.", hint=hint, id="courseplatform.E004")]
    if not settings.DEBUG and issuer and not issuer.startswith("https://"):
        hint = "Tokens and the client's secret travel over it."
        return [
            Error(
                f"OIDC_ISSUER must begin with https://, not {issuer}.",
                hint=hint,
                id="courseplatform.E004",
            )
        ]
    return []


@register(deploy=True)
def somebody_says_that_it_is_https(
    app_configs: Sequence[Any] | None, **kwargs: Any
) -> list[CheckMessage]:
    """W005: behind a reverse proxy whose word is not taken every page would redirect to itself for ever."""
    if (
        settings.DEBUG
        or not getattr(settings, "SECURE_SSL_REDIRECT", False)
        or settings.TRUSTED_PROXIES
    ):
        return []
    hint = "Set TRUSTED_PROXIES to the address of your reverse proxy, for example TRUSTED_PROXIES=127.0.0.1. "
    hint += "Where uvicorn has the certificate itself, silence this check."
    return [
        Warning(
            "HTTPS is on, and no proxy's X-Forwarded-Proto is believed.",
            hint=hint,
            id="courseplatform.W005",
        )
    ]


@register()
def data_is_private(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """W001: other users of the machine can read the data, or the file with the secrets."""
    places = {Path(settings.VAR_DIR): "700"}
    if (settings.BASE_DIR / ".env").exists():
        places[settings.BASE_DIR / ".env"] = "600"
    database = settings.DATABASES["default"]
    if database["ENGINE"] == "django.db.backends.sqlite3":
        path = Path(str(database["NAME"]))
        if settings.VAR_DIR not in path.parents:  # below VAR_DIR its folder protects it
            places[path] = "600"
    return [
        Warning(
            f"{path} can be read by other users of this machine. It holds password hashes, mail or secrets.",
            hint=f"chmod {mode} {path} (`manage.py start` does so with VAR_DIR by itself)",
            id="courseplatform.W001",
        )
        for path, mode in places.items()
        if private_files.is_open(path)
    ]
