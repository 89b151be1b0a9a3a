# One image for every process; docker-compose.yml says which of bin/connect's commands each container runs.
# Reproducible as far as an image can be: every Python package by hash; pin the base image by digest in your registry.
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS wheels
COPY requirements.lock .
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --no-compile --require-hashes -r requirements.lock \
    && /venv/bin/pip uninstall --yes pip setuptools

FROM ${PYTHON} AS docs
COPY requirements-docs.lock .
RUN pip install --no-cache-dir --require-hashes -r requirements-docs.lock
WORKDIR /src
COPY mkdocs.yml .env.example ./
COPY docs docs
COPY clients/python/README.md clients/python/README.md
COPY deploy/monitoring deploy/monitoring
COPY clients/python/README.md clients/python/README.md
RUN NO_MKDOCS_2_WARNING=1 mkdocs build --quiet --strict --site-dir /site

FROM ${PYTHON}
LABEL org.opencontainers.image.title="Connect" org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --create-home --home-dir /srv/connect connect \
    && install --directory --owner connect /data
COPY --from=wheels /venv /venv
WORKDIR /srv/connect
COPY . .
COPY --from=docs /site site
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DATA_DIR=/data STATIC_ROOT=/srv/connect/static-files DOCS_ROOT=/srv/connect/site PORT=8000
# Static files belong to the image; the settings only want to see some secrets, and these go nowhere.
RUN python -m compileall -q /venv/lib /srv/connect \
    && SECRET_KEY=build SEALING_KEYS=00000000:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= DATA_DIR=/tmp/build \
       bin/connect static && rm -rf /tmp/build
USER 10001
EXPOSE 8000
# For the web process; workers and beat tell of themselves at /health/ready.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s CMD ["bin/healthy"]
CMD ["bin/connect", "web"]
