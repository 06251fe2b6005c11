# docker build -t driftwall:0.1.0 .
#
# Where sources are kustomizations or charts, the programs that render them go in
# too: put `kubectl` and `helm` for the image's platform into a folder `programs`
# beside this file, and
#
# docker build --target full -t driftwall:0.1.0 .
#
# It takes BuildKit, which builds only the stages that are asked for.
ARG RUST=1.95
ARG DEBIAN=bookworm

FROM rust:${RUST}-slim-${DEBIAN} AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends build-essential \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# libgit2, libssh2, OpenSSL and zlib are built from the crates' own sources.
ENV LIBZ_SYS_STATIC=1
RUN cargo build --release --locked --bin driftwall

FROM debian:${DEBIAN}-slim AS base
# The CAs that Git servers are trusted by.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/release/driftwall /usr/local/bin/driftwall
USER 65532:65532
EXPOSE 8443 8080
ENTRYPOINT ["/usr/local/bin/driftwall"]

FROM base AS full
COPY --chmod=755 programs/kubectl programs/helm /usr/local/bin/

FROM base AS driftwall
