# One image for every process; docker-compose.yml says which of bin/connect's commands each container runs.
FROM python:3.11-slim-bookworm AS wheels
COPY requirements.lock .
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock

FROM python:3.11-slim-bookworm
RUN useradd --system --create-home --home-dir /srv/connect connect && mkdir /data && chown connect: /data
COPY --from=wheels /venv /venv
WORKDIR /srv/connect
COPY --chown=connect:connect . .
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 DATA_DIR=/data STATIC_ROOT=/srv/connect/static-files PORT=8000
USER connect
# Static files belong to the image; the settings only want to see some secrets, and these go nowhere.
RUN SECRET_KEY=build SEALING_KEYS=00000000:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= DATA_DIR=/tmp/build \
    bin/connect static && rm -rf /tmp/build
EXPOSE 8000
CMD ["bin/connect", "web"]
