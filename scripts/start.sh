#!/bin/sh
# Starts a program without what would let others into it: SIGUSR1, which opens the inspector of the
# runtime to every local user, and the variables of the runtime that reveal keys, trust other CAs,
# load code, write files or let a socket decide about permissions (docs/permissions.md).
# Usage: sh scripts/start.sh PROGRAM [ARGUMENT ...]

unset DENO_AUDIT_PERMISSIONS DENO_CERT DENO_COMPAT DENO_COVERAGE_DIR DENO_LOG \
  DENO_PERMISSION_BROKER_PATH DENO_TLS_CA_STORE DENO_TRACE_PERMISSIONS DENO_UNSTABLE_CONTROL_SOCK \
  DENO_V8_FLAGS LD_AUDIT LD_LIBRARY_PATH LD_PRELOAD NODE_CHANNEL_FD NODE_EXTRA_CA_CERTS NODE_OPTIONS \
  NODE_TLS_REJECT_UNAUTHORIZED OTEL_DENO PERL5LIB PERL5OPT SSLKEYLOGFILE

# Without this variable the daemon warns: it cannot see which signals are blocked.
NGROKD_SIGUSR1=blocked
export NGROKD_SIGUSR1

# From the directory of this script.
scripts=${0%"${0##*/}"}.
. "$scripts/find_deno.sh"

# The directory of the commands that hints name: sudo and other shells may have another PATH.
NGROKD_PROGRAMS=$(CDPATH= cd -P -- "$scripts/../bin" 2>/dev/null && pwd -P)
export NGROKD_PROGRAMS

# Only a blocked signal stays blocked: the runtime handles an ignored one again.
if /usr/bin/env --block-signal=USR1 true 2>/dev/null; then
  exec /usr/bin/env --block-signal=USR1 "$@"
fi
# The env of macOS cannot block signals.
if /usr/bin/perl -MPOSIX -e 1 2>/dev/null; then
  exec /usr/bin/perl -MPOSIX=:signal_h -e '
    sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGUSR1)) or die "Cannot block SIGUSR1: $!\n";
    exec { $ARGV[0] } @ARGV or die "Cannot start $ARGV[0]: $!\n";
  ' "$@"
fi
# The daemon then warns.
unset NGROKD_SIGUSR1
exec "$@"
