import { CommandError, messageOf } from "../../model/errors.ts";
import { hasDnsScope, parseLinkValues } from "./resolvectl_output.ts";

/** An absolute path, so that `PATH` has no influence. */
export const RESOLVECTL = "/usr/bin/resolvectl";

const TIMEOUT_MS = 5000;

/** The program that reads and changes the settings of systemd-resolved. */
export class Resolvectl {
  readonly #run: RunProgram;

  constructor(run: RunProgram) {
    this.#run = run;
  }

  /** Reads the present settings of a link. @throws {CommandError} */
  async read(link: string): Promise<LinkSettings> {
    const [servers, domains] = await Promise.all([
      this.#values(["dns", link]),
      this.#values(["domain", link]),
    ]);
    return { link, servers, domains };
  }

  /** @throws {CommandError} */
  async set({ link, servers, domains }: LinkSettings): Promise<void> {
    // Our server has neither DNSSEC nor TLS, which this machine may demand of other servers.
    await this.#call(["dnssec", link, "no"]);
    await this.#call(["dnsovertls", link, "no"]);
    // A link with servers and without domains would get the queries for every name.
    await this.#call(["domain", link, ...domains]);
    await this.#call(["dns", link, ...servers]);
  }

  /** Removes all settings of a link. @throws {CommandError} */
  async revert(link: string): Promise<void> {
    await this.#call(["revert", link]);
  }

  /** Returns true if systemd-resolved sends queries over the link. @throws {CommandError} */
  async isUsed(link: string): Promise<boolean> {
    return hasDnsScope(await this.#call(["status", link]));
  }

  async #values(args: readonly string[]): Promise<string[]> {
    const output = await this.#call(args);
    try {
      return parseLinkValues(output);
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause;
      const argv = [RESOLVECTL, ...args];
      throw new CommandError(`Cannot read the output of "${argv.join(" ")}": ${messageOf(cause)}`, {
        argv,
        exitCode: 0,
        stderr: "",
        cause,
      });
    }
  }

  async #call(args: readonly string[]): Promise<string> {
    return (await this.#run([RESOLVECTL, ...args], { timeoutMs: TIMEOUT_MS })).stdout;
  }
}

/** The settings of a link in the spelling of `resolvectl`. */
export interface LinkSettings {
  readonly link: string;
  readonly servers: readonly string[];
  readonly domains: readonly string[];
}

/** Runs a program to its end. @throws {CommandError} If it fails or takes too long. */
export type RunProgram = (
  argv: readonly [string, ...string[]],
  options: { timeoutMs: number },
) => Promise<{ readonly stdout: string }>;
