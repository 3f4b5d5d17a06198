# A daemon in a container, as a user without rights:
#
#     docker build -t pubsub .
#     docker run -v "$PWD/orders:/app/orders" pubsub orders.daemon:OrdersDaemon --sqs-queue-url URL
#
# SIGTERM (docker stop) finishes the batch under way; give it time with --stop-timeout.

FROM python:3.13-slim AS build
WORKDIR /build
COPY LICENSE setup.py pyproject.toml README.md ./
COPY examples/orders examples/orders
COPY microcosm_pubsub microcosm_pubsub
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir ".[metrics,postgres,sentry]"

FROM python:3.13-slim
COPY --from=build /venv /venv
RUN useradd --system --no-create-home pubsub
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /app
USER pubsub
ENTRYPOINT ["pubsub", "run"]
