# Two images of one source: `web` (pages, quick work, the clock: no torch) and `engine` (training and model servers).
#   docker build --target web -t course-platform:web .
#   docker build --target engine --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu -t course-platform:cpu .
#   docker build --target engine -t course-platform:cuda .
FROM python:3.11-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 \
    VAR_DIR=/var/lib/course-platform PATH=/opt/venv/bin:$PATH
RUN useradd --system --uid 10001 --home-dir /var/lib/course-platform --create-home course \
    && chmod 700 /var/lib/course-platform \
    && python -m venv /opt/venv
WORKDIR /srv/course-platform

FROM base AS web
COPY deploy/requirements/web.lock deploy/requirements/
RUN pip install --no-deps --require-hashes -r deploy/requirements/web.lock
COPY . .
RUN python manage.py collectstatic --noinput --verbosity 0
USER 10001
VOLUME /var/lib/course-platform
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/livez', timeout=2)"]
STOPSIGNAL SIGTERM
CMD ["python", "manage.py", "start", "--only", "web", "--bind", "0.0.0.0"]

FROM base AS engine
# Empty: PyPI's build, which brings CUDA. https://download.pytorch.org/whl/cpu: the build for processors.
ARG TORCH_INDEX=
COPY requirements.lock requirements-models.txt ./
# torch is pinned, though the linter cannot see it behind the index.
# hadolint ignore=DL3013
RUN pip install --no-deps --require-hashes -r requirements.lock \
    && pip install torch==2.13.0 ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} \
    && pip install --no-deps --require-hashes -r requirements-models.txt
COPY . .
USER 10001
VOLUME /var/lib/course-platform
EXPOSE 8301 8302
STOPSIGNAL SIGTERM
CMD ["python", "manage.py", "start", "--only", "training"]
