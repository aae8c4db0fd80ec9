import type { RunProgram } from "../../../src/names/resolver/resolvectl.ts";
import { CommandError } from "../../../src/model/errors.ts";

/** A systemd-resolved with the settings of one interface, and its program. */
export class FakeResolvectl {
  servers: string[] = [];
  domains: string[] = [];
  /** True if it sends queries over the interface. */
  usable = true;
  /** The reason of a failure, and the verb that fails; without a verb, all fail. */
  failure: { readonly verb?: string; readonly reason: string } | undefined;
  /** Output in place of the right one. */
  garbage: string | undefined;
  /** Every call, without the program. */
  readonly calls: string[] = [];
  readonly #link: string;

  constructor(link: string) {
    this.#link = link;
  }

  readonly run: RunProgram = (argv, { timeoutMs }) => {
    const [program, verb = "", link, ...values] = argv;
    this.calls.push(argv.slice(1).join(" "));
    const { verb: bad = verb, reason } = this.failure ?? { verb: "", reason: "" };
    const state = program !== "/usr/bin/resolvectl" || timeoutMs !== 5000
      ? "unexpected program or time limit"
      : bad === verb && reason !== ""
      ? reason
      : link !== this.#link
      ? `Failed to resolve interface "${link}": No such device`
      : undefined;
    if (state !== undefined) {
      const message = `Cannot run "${argv.join(" ")}": ${state}`;
      return Promise.reject(new CommandError(message, { argv, exitCode: 1, stderr: state }));
    }
    return Promise.resolve({ stdout: this.garbage ?? this.#answer(verb, values) });
  };

  /** Forgets all settings, as a restart does. */
  restart(): void {
    [this.servers, this.domains] = [[], []];
  }

  /** Removes all calls and returns those that change something. */
  takeChanges(): string[] {
    return this.calls.splice(0).filter((call) => call.split(" ").length > 2 || call.startsWith("revert"));
  }

  #answer(verb: string, values: readonly string[]): string {
    if (verb === "revert") this.restart();
    if (verb === "status") return `Link 5 (${this.#link})\n    Current Scopes: ${this.#scopes}\n`;
    if (verb !== "dns" && verb !== "domain") return "";
    if (values.length === 0) return this.#print(verb === "dns" ? this.servers : this.domains);
    if (verb === "dns") this.servers = [...values];
    else this.domains = [...values];
    return "";
  }

  get #scopes(): string {
    return this.usable && this.servers.length > 0 ? "DNS LLMNR/IPv4" : "none";
  }

  /** In lines of less than 80 characters, like the real program. */
  #print(values: readonly string[]): string {
    const lines = [`Link 5 (${this.#link}):`];
    for (const value of values) {
      if (lines.at(-1)!.length + 1 + value.length < 80) lines.push(`${lines.pop()} ${value}`);
      else lines.push(`        ${value}`);
    }
    return `${lines.join("\n")}\n`;
  }
}
