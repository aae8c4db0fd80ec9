/** A hostile file or directory, and the answer of a daemon that runs as root. */
export interface FileRow {
  /** The path below the directory of the daemon. */
  readonly path: string;
  /** The kind of file there; continues "<path> is …". */
  readonly is: string;
  /** Shell lines that put it there; `$f` is the path. */
  readonly make: string;
  /**
   * `serves`: all endpoints work, and status says what was found. `runs`: the same, but for what
   * depends on the file. `refuses`: the daemon does not start.
   */
  readonly answer: "serves" | "runs" | "refuses";
  /** The HTTP status of a request to the address of the endpoint. @default {200} */
  readonly status?: number;
  /** The words of status, or of the error. */
  readonly says: string;
}

const DIRECTORY = 'rm -f "$f"; mkdir -p "$f/full"';
const FIFO = 'rm -f "$f"; mkfifo -m 600 "$f"';
const DEVICE = 'rm -f "$f"; mknod -m 600 "$f" c 1 5';
const LINK = 'mv "$f" "$f.elsewhere"; ln -s "$f.elsewhere" "$f"';
const HUGE = 'truncate -s 2G "$f"; chmod 600 "$f"';
const STRANGER = 'touch "$f"; chown 65534:65534 "$f"';
const REPLACED = "; it is kept as";
const NEXT_WRITE = "it stays until the next write, which renames it to";
const NOT_REGULAR = "it is not a regular file";
const OWNER = "its owner is user 65534";

/** The rows of the table in docs/reliability.md, each of which a test runs. */
export const FILE_ROWS: readonly FileRow[] = [
  ...([
    ["a non-empty directory", DIRECTORY, NOT_REGULAR],
    ["a FIFO", FIFO, NOT_REGULAR],
    ["a device that never ends", DEVICE, NOT_REGULAR],
    ["a symbolic link", LINK, "it is a symbolic link"],
    ["a file of another user", STRANGER, OWNER],
    ["a file that others can open", 'chmod 644 "$f"', "its mode is 0644, so that others can open it"],
  ] as const).map(([is, make, text]) => row("etc/tls.key", { is, make, says: `${text}${REPLACED}` })),
  row("etc/tls.crt", { is: "a non-empty directory", make: DIRECTORY, says: `${NOT_REGULAR}${REPLACED}` }),
  row("etc/tls.crt", { is: "2 GiB long", make: HUGE, says: "it is larger than 16777216 bytes" }),
  row("etc/tls.crt", {
    is: "a file that others can change",
    make: 'chmod 666 "$f"',
    says: "its mode is 0666, so that others can change it",
  }),
  row("etc/tls.pending", { is: "a FIFO", make: FIFO, says: `${NOT_REGULAR}${REPLACED}` }),
  row("etc/tls.pending", { is: "a file of another user", make: STRANGER, says: `${OWNER}${REPLACED}` }),
  row("etc/operator_id", { is: "a non-empty directory", make: DIRECTORY, says: `${NOT_REGULAR}${REPLACED}` }),
  row("etc/operator_id", { is: "a FIFO", make: FIFO, says: `${NOT_REGULAR}${REPLACED}` }),
  row("etc/operator_id", { is: "a file of another user", make: STRANGER, says: `${OWNER}${REPLACED}` }),
  row("etc/registration_mark", {
    is: "a FIFO",
    make: FIFO,
    says: `Cannot use the registration marker: Cannot read`,
  }),
  row("etc/registration_mark", {
    is: "damaged",
    make: 'echo x > "$f"',
    says: "registration_mark is damaged",
  }),
  row("etc/journal.json", { is: "a FIFO", make: FIFO, says: `${NOT_REGULAR}; ${NEXT_WRITE}` }),
  row("etc/journal.json", {
    is: "a list of files of others",
    make: [
      ': > "$f.victim"',
      `printf '{"version":1,"changes":[{"kind":"hosts","path":"%s","created":true},{"kind":"rm"}]}' ` +
      '"$f.victim" > "$f"',
    ].join("; "),
    says: "which has no section of ngrokd; the entry is not used",
  }),
  row("etc/ip_mappings.json", { is: "2 GiB long", make: HUGE, says: "it is larger than 16777216 bytes" }),
  row("etc/endpoints.json", {
    is: "a file of another user",
    make: STRANGER,
    says: `${OWNER}; ${NEXT_WRITE}`,
  }),
  row("etc/ingress_endpoint.json", {
    is: "damaged",
    make: 'echo { > "$f"',
    says: "is damaged; it is kept as",
  }),
  row("etc/last_renewal.json", { is: "a non-empty directory", make: DIRECTORY, says: NEXT_WRITE }),
  row("etc/net_subnet.json", { is: "a FIFO", make: FIFO, says: NEXT_WRITE }),
  row("etc/ingress_ca.pem", { is: "a FIFO", make: FIFO, says: NOT_REGULAR }),
  row("etc/ca.pem", {
    is: "a file that others can change",
    make: 'chmod 666 "$f"',
    answer: "runs",
    // The listener works, but the ingress is not trusted.
    status: 502,
    says: "ca.pem: its mode is 0666, so that others can change it",
  }),
  row("hosts", { is: "a FIFO", make: FIFO, answer: "runs", says: NOT_REGULAR }),
  ...([
    ["etc/config.yml", "a FIFO", FIFO, NOT_REGULAR],
    ["etc/config.yml", "a file of another user", STRANGER, OWNER],
    [
      "etc/config.yml",
      "a file that others can change",
      'chmod 666 "$f"',
      "its mode is 0666, so that others can change it",
    ],
    [
      "etc/config.yml",
      "a file with the API key that others can open",
      'chmod 644 "$f"',
      "its mode is 0644, so that others can open it",
    ],
    ["etc", "a directory of another user", STRANGER, "user 65534 owns the directory"],
    [
      "etc",
      "a directory in which others can write",
      'chmod 777 "$f"',
      "other users can write to the directory",
    ],
    ["run", "a directory of another user", STRANGER, "user 65534 owns the directory"],
    ["run", "a directory that others can enter", 'chmod 755 "$f"', "other users can enter the directory"],
    [
      ".",
      "a directory in which others can write",
      'chmod 777 "$f"',
      "other users can write to the directory",
    ],
  ] as const).map(([path, is, make, says]) => row(path, { is, make, answer: "refuses", says })),
];

function row(path: string, rest: Partial<FileRow> & Pick<FileRow, "is" | "make" | "says">): FileRow {
  return { path, answer: "serves", ...rest };
}
