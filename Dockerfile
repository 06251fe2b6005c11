# docker build -t driftwall:0.1.0 .
#
# One static program and the CA certificates that it trusts, nothing else. If your
# sources are kustomizations or Helm charts, the image also needs the programs that
# render them: put `kubectl` and `helm` (static binaries) for the image's platform
# into a folder `programs` beside this file, and run
#
# docker build --target full -t driftwall:0.1.0 .
#
# `--build-arg COMMIT=$(git rev-parse HEAD)` puts the commit into the first line of
# the log.
#
# This requires BuildKit, which builds only the stages that are needed; with
# `--platform linux/amd64,linux/arm64` each platform is built on its own.
ARG RUST=1.95
ARG DEBIAN=bookworm

FROM rust:${RUST}-slim-${DEBIAN} AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates gcc libc6-dev musl-tools \
 && rm -rf /var/lib/apt/lists/* \
 && rustup target add "$(uname -m)-unknown-linux-musl"
WORKDIR /src
COPY . .
# libgit2, AWS-LC and zlib are built from the crates' own sources.
ENV LIBZ_SYS_STATIC=1
ARG COMMIT=
RUN target="$(uname -m)-unknown-linux-musl" \
 && DRIFTWALL_COMMIT="$COMMIT" cargo build --release --locked --bin driftwall --target "$target" \
 && install -D "target/$target/release/driftwall" /root-of-image/usr/local/bin/driftwall \
 && install -D -m 644 /etc/ssl/certs/ca-certificates.crt /root-of-image/etc/ssl/certs/ca-certificates.crt \
 && mkdir -m 1777 /root-of-image/tmp

FROM scratch AS base
COPY --from=build /root-of-image /
ENV PATH=/usr/local/bin
USER 65532:65532
EXPOSE 8443 8080
ENTRYPOINT ["/usr/local/bin/driftwall"]

FROM base AS full
COPY --chmod=755 programs/kubectl programs/helm /usr/local/bin/

FROM base AS driftwall
