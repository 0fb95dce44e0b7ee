# The operator's image: one static binary and nothing else. For amd64 and arm64:
#
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=0.1.0 --tag NAME .
#
# The image that the tests run is not made from this file but by `make image`, from a static build for the gnu target:
# that needs no container engine. Here it is musl, because the official Rust images can add that target.

# Where the build runs. The target is compiled for, not emulated.
FROM --platform=$BUILDPLATFORM rust:1.95.0-bookworm AS build
ARG TARGETARCH
WORKDIR /src

# ring has some C and assembly, which clang compiles for either target.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends clang \
 && rm -rf /var/lib/apt/lists/*
RUN case "$TARGETARCH" in \
      amd64) echo x86_64-unknown-linux-musl ;; \
      arm64) echo aarch64-unknown-linux-musl ;; \
      *) echo "there is no image for $TARGETARCH: amd64 and arm64 only" >&2; exit 1 ;; \
    esac > /target \
 && rustup target add "$(cat /target)"
ENV CC_x86_64_unknown_linux_musl=clang \
    CC_aarch64_unknown_linux_musl=clang \
    RUSTFLAGS="-C linker=rust-lld -C link-self-contained=yes"

COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,id=target-$TARGETARCH,target=/src/target \
    cargo build --release --locked --target "$(cat /target)" --bin landfall \
 && install "target/$(cat /target)/release/landfall" /landfall

FROM scratch
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="landfall" \
      org.opencontainers.image.description="Kubernetes operator that turns one MCPServer resource into a running, reachable, verified MCP server" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /landfall /landfall
# By number: there is no /etc/passwd, and a pod's runAsNonRoot can only judge numbers.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/landfall"]
CMD ["operator"]
