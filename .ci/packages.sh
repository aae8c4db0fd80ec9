# shellcheck shell=bash disable=SC2034
# Debian packages that all tests and benchmarks need.
PACKAGES=(iproute2 nftables python3 util-linux strace stunnel4 haproxy dnsutils dnsperf dnsmasq-base curl netcat-openbsd procps openssl e2fsprogs systemd chromium)
# The clients of tests/clients, and the servers behind their endpoints.
CLIENT_PACKAGES=(postgresql postgresql-client mariadb-server mariadb-client redis-server redis-tools slapd ldap-utils musl-tools nginx-light python3-grpcio python3-aiohttp default-jdk-headless busybox-static systemd-container debootstrap dbus)
