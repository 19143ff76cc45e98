# parley-server and parley-client in an image of their own:
#
#   docker build -t parley .                  # the two programs, and nothing to build with
#   docker build --target test .              # builds and runs all tests
#   docker run -it --rm -p 7117:7117 -v parley:/var/lib/parley parley
#   docker run -it --rm -v parley:/var/lib/parley parley parley-client HOST
#
# (The classic builder makes every stage up to the one that it is asked for: give it --target runtime.)

FROM debian:trixie-slim AS tools
WORKDIR /parley
COPY ci/setup ci/other-suite ci/with-heartbeat ci/
RUN ci/setup && apt-get clean && rm -rf /var/lib/apt/lists/*

FROM tools AS build
COPY CMakeLists.txt CMakePresets.json ./
COPY cmake cmake
COPY include include
COPY apps apps
RUN cmake --preset release -DPARLEY_BUILD_TESTS=OFF -DPARLEY_BUILD_FUZZERS=OFF -DPARLEY_INSTALL=OFF \
 && cmake --build --preset release \
 && strip build/release/apps/parley-server build/release/apps/parley-client

FROM debian:trixie-slim AS runtime
LABEL org.opencontainers.image.title="parley" \
      org.opencontainers.image.description="A chat between two terminals, a pipe between two machines" \
      org.opencontainers.image.licenses="BSL-1.0"
RUN apt-get update -q \
 && apt-get install -qy --no-install-recommends libssl3t64 libstdc++6 \
 && apt-get clean && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 7117 parley \
 && useradd --uid 7117 --gid parley --no-create-home --home-dir /var/lib/parley parley \
 && install -d -o parley -g parley -m 0700 /var/lib/parley
COPY --from=build /parley/build/release/apps/parley-server /parley/build/release/apps/parley-client /usr/local/bin/
# Who this is, and whom it knows; all that is ever written, so the rest may be read-only.
ENV XDG_CONFIG_HOME=/var/lib
VOLUME /var/lib/parley
USER parley
EXPOSE 7117
STOPSIGNAL SIGTERM
# Healthy is what listens or is connected: a TCP socket in state 0A or 01 that is not of Docker's resolver. Nothing is
# sent, so that the program's own log stays clean.
HEALTHCHECK --interval=5s --timeout=2s --start-period=10s \
  CMD cat /proc/net/tcp /proc/net/tcp6 | grep -E '^ *[0-9]+: [0-9A-F:]+ [0-9A-F:]+ (01|0A) ' | grep -qv ': 0B00007F:'
CMD ["parley-server"]

# The two programs and what plays with them: compose.yaml, ci/lan.
FROM runtime AS demo
USER root
RUN apt-get update -q \
 && apt-get install -qy --no-install-recommends python3 \
 && apt-get clean && rm -rf /var/lib/apt/lists/*
COPY tests/lan/side tests/lan/relay tests/lan/conversation tests/lan/messages.py tests/lan/percentiles.py /usr/local/lib/parley/
USER parley

FROM build AS test
COPY . .
RUN ci/test

FROM runtime
