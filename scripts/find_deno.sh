# Lets a program find `deno` although it is not in PATH, as after `sudo /opt/deno/bin/deno task ngrokd`:
# the parent of a task is the runtime. The home directory of the user who calls sudo is not searched:
# they could then run any program as root.

if ! command -v deno >/dev/null; then
  # macOS has no /proc, but its ps prints the whole path.
  parent=$(readlink "/proc/$PPID/exe" || ps -o comm= -p "$PPID")
  case $parent in
    /*/deno) export PATH="$PATH:${parent%/deno}" ;;
  esac
fi
if ! command -v deno >/dev/null; then
  echo "Error: Cannot find deno: it is not in PATH" >&2
  echo 'Install Deno 2.9.6 for all users; or, to use your own with sudo: sudo env "PATH=$PATH" COMMAND' >&2
  exit 1
fi
