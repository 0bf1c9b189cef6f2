# docker build -t sluice . ; docker run --rm -v "$PWD:/data" -w /data sluice run pipeline.sql
# The last stage's steps are also what `make test-package` runs, without Docker.
FROM debian:12 AS build
WORKDIR /src
RUN apt-get update && apt-get install -y --no-install-recommends make ca-certificates
# What is fetched changes less often than what is built.
COPY tools/deps tools/deps.lock tools/
RUN tools/deps
COPY . .
RUN make package

FROM debian:12-slim
RUN --mount=type=bind,from=build,source=/src/build,target=/mnt \
    apt-get update && \
    apt-get install -y --no-install-recommends /mnt/sluice_*.deb && \
    rm -rf /var/lib/apt/lists/*
RUN useradd --system --home-dir /var/lib/sluice --create-home sluice
USER sluice
WORKDIR /var/lib/sluice
# A server in a container is reached from outside of it: `serve` then wants SLUICE_ADMIN_TOKEN, and says so.
ENV SLUICE_LISTEN=0.0.0.0
EXPOSE 8001
VOLUME /var/lib/sluice
ENTRYPOINT ["sluice"]
CMD ["serve", "--config", "/etc/sluice/sluice.yaml"]
