# Lets a task find `deno` although it is not in PATH, as after `sudo /opt/deno/bin/deno task ngrokd`.
# For scripts that a task starts itself: their parent is the runtime.

if ! command -v deno >/dev/null; then
  # macOS has no /proc, but its ps prints the whole path.
  parent=$(readlink "/proc/$PPID/exe" || ps -o comm= -p "$PPID")
  case $parent in
    /*/deno) export PATH="$PATH:${parent%/deno}" ;;
  esac
fi
