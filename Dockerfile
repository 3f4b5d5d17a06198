# A daemon in a container, as a user without rights:
#
#     docker build -t pubsub .
#     docker run -v "$PWD/orders:/app/orders" pubsub orders.daemon:OrdersDaemon --sqs-queue-url URL
#
# SIGTERM (docker stop) finishes the batch under way; give it time with --stop-timeout.
#
# SNS and SQS for other languages, on a file in the volume /data; see examples/serve/docker-compose.yml:
#
#     docker build --target serve -t pubsub-serve .
#     docker run -p 127.0.0.1:4566:4566 -v pubsub:/data pubsub-serve --insecure

FROM python:3.13-slim AS build
WORKDIR /build
COPY LICENSE setup.py pyproject.toml README.md ./
COPY examples/orders examples/orders
COPY microcosm_pubsub microcosm_pubsub
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir ".[metrics,postgres,sentry]"

FROM build AS build-serve
RUN /venv/bin/pip install --no-cache-dir ".[server]"

FROM python:3.13-slim AS serve
COPY --from=build-serve /venv /venv
RUN useradd --system --no-create-home pubsub && install --directory --owner=pubsub /data
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PUBSUB_BROKER_URL=sqlite:////data/pubsub.db
VOLUME /data
USER pubsub
EXPOSE 4566
HEALTHCHECK --interval=5s --start-period=10s CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:4566/health', timeout=4)"]
ENTRYPOINT ["pubsub", "serve", "--host", "0.0.0.0"]

FROM python:3.13-slim
COPY --from=build /venv /venv
RUN useradd --system --no-create-home pubsub
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /app
USER pubsub
ENTRYPOINT ["pubsub", "run"]
