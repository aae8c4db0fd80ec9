import type { Redirect } from "../model/redirect.ts";

/** Debian and all systems with a merged /usr have this path; `PATH` has no influence. */
const NFT = "/usr/sbin/nft";

const TIMEOUT_MS = 5000;
const FAMILY_AND_NAME = "ip ngrokd";

/**
 * The first place that the kernel gives to a chain of this type. Those of other programs are at
 * -100. Of chains with one priority the newest comes first.
 */
const PRIORITY = -199;

/** `add` first: the deletion of a table that is not there is an error. Both are one transaction. */
const DELETE = `add table ${FAMILY_AND_NAME}\ndelete table ${FAMILY_AND_NAME}\n`;

const ELEMENTS = /\n\s*elements = \{[^}]*\}/;
// Without groups: thousands of elements would take tens of megabytes.
const ELEMENT = /[\d.]+ \. \d+ : [\d.]+ \. \d+/g;

/**
 * The program that changes nftables. The table `ip ngrokd` is ngrokd's own: one chain on the output
 * of this machine and one map from address and port to address and port.
 */
export class NftProgram {
  readonly #run: RunWithInput;

  constructor(run: RunWithInput) {
    this.#run = run;
  }

  /** Replaces the table by one with these redirects, at once. @throws {CommandError} */
  async replace(redirects: readonly Redirect[]): Promise<void> {
    await this.#apply(renderTable(redirects));
  }

  /** Deletes the table, if there is one. @throws {CommandError} */
  async delete(): Promise<void> {
    await this.#apply(DELETE);
  }

  /** Deletes the table. Returns true if there was one. @throws {CommandError} */
  async deleteAny(): Promise<boolean> {
    // If nft cannot run at all, the deletion reports it.
    const exists = await this.frame().then(() => true, () => false);
    await this.delete();
    return exists;
  }

  /** Reads the table. @throws {CommandError} If there is none. */
  async list(): Promise<NftTable> {
    return new NftTable(await this.#list([]));
  }

  /** Reads the table without its redirects. @throws {CommandError} If there is none. */
  async frame(): Promise<string> {
    return new NftTable(await this.#list(["--terse"])).frame;
  }

  async #list(options: readonly string[]): Promise<string> {
    const argv = [NFT, "--numeric", ...options, "list", "table", ...FAMILY_AND_NAME.split(" ")] as const;
    return (await this.#run(argv, { timeoutMs: TIMEOUT_MS })).stdout;
  }

  /** On standard input, because thousands of redirects are too long for an argument. */
  async #apply(input: string): Promise<void> {
    await this.#run([NFT, "--file", "-"], { timeoutMs: TIMEOUT_MS, input });
  }
}

/** The table as nft prints it. */
export class NftTable {
  readonly #text: string;
  /** The text without the elements of the map. */
  readonly frame: string;

  constructor(text: string) {
    this.#text = text;
    this.frame = text.replace(ELEMENTS, "");
  }

  /** Returns true if the map has exactly these redirects. */
  holds(redirects: readonly Redirect[]): boolean {
    const elements = new Set(this.#text.match(ELEMENT) ?? []);
    return elements.size === redirects.length &&
      redirects.every((redirect) => elements.has(renderElement(redirect)));
  }
}

/** Runs a program with this standard input to its end. @throws {CommandError} */
export type RunWithInput = (
  argv: readonly [string, ...string[]],
  options: { readonly timeoutMs: number; readonly input?: string },
) => Promise<{ readonly stdout: string }>;

/** Returns the commands that replace the table in one transaction. */
export function renderTable(redirects: readonly Redirect[]): string {
  const elements = redirects.map(renderElement);
  return `${DELETE}table ${FAMILY_AND_NAME} {
  map moved {
    type ipv4_addr . inet_service : ipv4_addr . inet_service
    elements = { ${elements.join(",\n")} }
  }
  chain output {
    type nat hook output priority ${PRIORITY}; policy accept;
    dnat ip to ip daddr . tcp dport map @moved
  }
}
`;
}

function renderElement({ address, from, to }: Redirect): string {
  return `${address} . ${from} : ${address} . ${to}`;
}
