/** Returns the command that shows the program which listens on a TCP port of this machine. */
export function portHolderCommand(port: number, os: string): string {
  return os === "darwin" ? `sudo lsof -nP -iTCP:${port} -sTCP:LISTEN` : `sudo ss -ltnp 'sport = :${port}'`;
}
