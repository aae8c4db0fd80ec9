# shellcheck shell=bash disable=SC2034
# Debian packages that all tests and benchmarks need.
PACKAGES=(iproute2 nftables python3 util-linux strace stunnel4 haproxy dnsutils dnsperf dnsmasq-base curl netcat-openbsd procps openssl e2fsprogs systemd chromium)
# The clients of tests/clients, and the servers behind their endpoints.
CLIENT_PACKAGES=(default-jdk-headless nginx-light python3-aiohttp python3-grpcio)
