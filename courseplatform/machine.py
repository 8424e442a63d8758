"""Which processes one machine runs, and with which environment: the laptop's whole course."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from courseplatform import redis_server
from courseplatform.supervisor import Service
from datasets.services.base_folders import TINY, base_folder
from teams import queues
from training.services import bringing

RQ = [
    "--worker-class",
    "training.worker.SafeWorker",
    "--serializer",
    "rq.serializers.JSONSerializer",
    "--worker-ttl",
    "60",
]


LONGEST_SOCKET_PATH = 100  # bytes; the kernel's own limit is 108
EARLY = ("redis", "model-server")
LOOPBACK = "127.0.0.1"

PARTS = {
    "web": ("web",),
    "training": ("lora-warm", "worker-training"),
    "quick": ("worker-quick", "worker-interviews", "worker-files"),
    "models": ("model-server", "program-server", "bring-files"),
    "schedule": ("scheduler",),
}
"""What `manage.py start --only` names, and the processes that it means."""
MODELS_PORT = 8301
PROGRAMS_PORT = 8302
NEEDED = ("SECRET_KEY", "SERVICE_TOKEN", "DATABASE_URL", "REDIS_URL")
LONG_DRAIN = "60"  # seconds; a host of several ends because another takes over


@dataclass(frozen=True)
class Ports:
    web: int
    redis: int
    models: int
    programs: int

    @classmethod
    def choose(cls, web: int) -> "Ports":
        """The web port as asked for; the others are whatever is free on loopback."""
        chosen: list[int] = []
        while len(chosen) < 3:
            port = redis_server.free_port()
            if port not in chosen and port != web:
                chosen.append(port)
        return cls(web, *chosen)


def _warm_socket() -> Path | None:
    """Where LoRA runs find the process that has torch loaded; None where it cannot be (then each run loads it itself)."""
    path = Path(settings.VAR_DIR) / "lora.sock"
    return path if sys.platform == "linux" and len(str(path)) < LONGEST_SOCKET_PATH else None


def environment(ports: Ports) -> dict[str, str]:
    """What the processes see: this process's own environment first, then what makes one machine complete."""
    kept = settings.KEPT_SECRETS
    mine = {
        "DEBUG": "0",
        "HTTPS": "0",
        "SECRET_KEY": kept["SECRET_KEY"],
        "SERVICE_TOKEN": kept["SERVICE_TOKEN"],
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "CSRF_TRUSTED_ORIGINS": f"http://localhost:{ports.web},http://127.0.0.1:{ports.web}",
        "VAR_DIR": str(settings.VAR_DIR),
        "SERVICE_STATE": str(service_state()),
        "DATABASE_URL": settings.SQLITE_DEFAULT,
        "REDIS_URL": f"redis://:{kept['REDIS_PASSWORD']}@127.0.0.1:{ports.redis}/0",
        "MODEL_SERVER_URL": f"http://127.0.0.1:{ports.models}/v1",
        "PROGRAM_SERVER_URL": f"http://127.0.0.1:{ports.programs}/v1",
        **({"LORA_WARM_SOCKET": str(_warm_socket())} if _warm_socket() else {}),
        "PYTHONUNBUFFERED": "1",
        "SITE_URL": f"http://localhost:{ports.web}",
        "EMAIL_URL": f"filemail:///{settings.VAR_DIR / 'mail'}",
    }
    return {**mine, **os.environ}


def missing_of_a_host() -> list[str]:
    """What the environment must say before this can be one host of several, and does not."""
    return [name for name in NEEDED if not os.environ.get(name)]


def environment_of_a_host(labels: list[str]) -> dict[str, str]:
    """What the processes of one host of several see: this process's own environment, and no address made up here."""
    mine = {
        "DEBUG": "0",
        "VAR_DIR": str(settings.VAR_DIR),
        "SERVICE_STATE": str(service_state()),
        **({"LORA_WARM_SOCKET": str(_warm_socket())} if _warm_socket() else {}),
        "MODEL_SERVER_URL": settings.MODEL_SERVER_URL,
        "PYTHONUNBUFFERED": "1",
        "DRAIN_SECONDS": LONG_DRAIN,
    }
    said = {"HOST_LABELS": ",".join(labels)} if labels else {}
    return {**mine, **os.environ, **said}


def engine_environment(env: dict[str, str]) -> dict[str, str]:
    """Model servers see the engines and the service token, not the platform's secrets."""
    names = (
        "PATH",
        "HOME",
        "LANG",
        "TMPDIR",
        "SERVICE_TOKEN",
        "HF_HOME",
        "HF_HUB_OFFLINE",
        "CUDA_VISIBLE_DEVICES",
    )
    allowed = {name: env[name] for name in names if name in env}
    return {
        **allowed,
        "PYTHONPATH": str(settings.ENGINES_ROOT),
        "PYTHONUNBUFFERED": "1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }


def services(ports: Ports, env: dict[str, str], *, bind: str = LOOPBACK) -> list[Service]:
    """Redis first (unless REDIS_URL was given), web last: what it needs is then there."""
    kept = settings.KEPT_SECRETS
    own_redis = "REDIS_URL" not in os.environ
    manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
    redis = redis_server.command(
        port=ports.redis, folder=settings.VAR_DIR / "redis", password=kept["REDIS_PASSWORD"]
    )
    web = ["-m", "courseplatform.serve", *_at(ports.web, bind)]
    return [
        *([Service("redis", redis, env, last=True, vital=True)] if own_redis else []),
        *_model_services(ports, env, bind),
        Service("worker-training", [*manage, "rqworker", "training", *RQ], env),
        Service("worker-quick", [*manage, "rqworker", queues.QUICK, *RQ], env),
        Service("worker-interviews", [*manage, "rqworker", queues.INTERVIEWS, *RQ], env),
        Service("worker-files", [*manage, "rqworker", queues.FILES, *RQ], env),
        Service("scheduler", [*manage, "schedule"], env),
        *_bringing(manage, env),
        Service("web", [sys.executable, *web], env, vital=True),
    ]


def services_of(
    parts: set[str], ports: Ports, env: dict[str, str], *, bind: str
) -> list[Service]:
    """Those that one host of several runs: `manage.py start --only`. None of them is vital: each is tried again."""
    wanted = {name for part in parts for name in PARTS[part]}
    chosen = [one for one in services(ports, env, bind=bind) if one.name in wanted]
    for one in chosen:
        one.vital = False
    return chosen


def _bringing(manage: list[str], env: dict[str, str]) -> list[Service]:
    """Only where files are in a storage: else they lie on this machine already."""
    if bringing.socket_path() is None:
        return []
    return [Service("bring-files", [*manage, "bring_files"], env)]


def _model_services(ports: Ports, env: dict[str, str], bind: str) -> list[Service]:
    engine_env = engine_environment(env)
    python = [sys.executable, "-P", "-m"]
    runs = ["--runs-root", str(settings.RUNS_ROOT)]
    if (brought := bringing.socket_path()) is not None:
        runs += ["--fetch-from", str(brought)]
    added = ["--base-list", str(settings.VAR_DIR / "base_models.json")]
    # It answers for runs of earlier versions; what teams start from now is in the list.
    base = f"{TINY}={base_folder(TINY)}"
    # The program server calls the provider that a program was made with, so it alone gets the provider's key.
    provider = {
        name: env[name] for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL") if env.get(name)
    }
    found = [
        Service(
            "model-server",
            [*python, "lora.serve", *_at(ports.models, bind), *runs, "--base", base, *added],
            engine_env,
        ),
        Service(
            "program-server",
            [*python, "dspy_program.serve", *_at(ports.programs, bind), *runs],
            {**engine_env, **provider, "MODEL_SERVER_URL": env["MODEL_SERVER_URL"]},
        ),
    ]
    if env.get("LORA_WARM_SOCKET"):
        found.append(
            Service(
                "lora-warm",
                [*python, "lora.warm", "--socket", env["LORA_WARM_SOCKET"]],
                engine_env,
            )
        )
    return found


def _at(port: int, bind: str) -> list[str]:
    return ["--host", bind, "--port", str(port)]


def health_urls(ports: Ports, env: dict[str, str]) -> dict[str, str]:
    """What must answer before the person is told the address."""
    urls = {"model-server": ports.models, "program-server": ports.programs, "web": ports.web}
    return {name: f"http://127.0.0.1:{port}/healthz" for name, port in urls.items()}


def logs() -> Path:
    return Path(settings.VAR_DIR) / "logs"


def service_state() -> Path:
    """Which services are failing: written by the supervisor, read by the web process."""
    return Path(settings.VAR_DIR) / "services.json"
