import type { DaemonHarness } from "../../../sim/daemon_harness.ts";
import { STATE_FILES } from "../../../src/model/state_files.ts";
import { networkState } from "../../root/commands.ts";
import { hostsProblems, hostsWith } from "./hosts_file.ts";

/** The end of the name of a temporary file. */
export const TEMPORARY = ".ngrokd.tmp";

/** Compares the machine with its state before the first start. */
export class Leftovers {
  readonly #paths: Pick<DaemonHarness, "etc" | "hostsPath" | "socketPath">;
  #network = "";
  #etc: ReadonlySet<string> = new Set();

  constructor(paths: Pick<DaemonHarness, "etc" | "hostsPath" | "socketPath">) {
    this.#paths = paths;
  }

  /** Records the state of the machine. */
  async record(): Promise<void> {
    this.#network = await networkState();
    this.#etc = new Set(await namesIn("/etc"));
  }

  /** Returns the changes that a clean-up or a shutdown should have undone. */
  async find(): Promise<string[]> {
    const { etc, hostsPath, socketPath } = this.#paths;
    const network = await networkState();
    const hasSocket = await Deno.lstat(socketPath).then(() => true, () => false);
    const stateFiles = (await namesIn(etc)).filter((name) =>
      name.endsWith(TEMPORARY) || name === STATE_FILES.journal
    );
    return [
      ...await hostsProblems(hostsPath, [hostsWith([])]),
      network === this.#network ? [] : `interfaces or routes differ from those before:\n${network}`,
      hasSocket ? `${socketPath} is left` : [],
      ...(await this.#newInEtc()).map((name) => `/etc/${name} is left`),
      ...stateFiles.map((name) => `${etc}/${name} is left`),
    ].flat();
  }

  /** Returns the problems that a kill must not cause in the hosts file and beside it. */
  async findDamage(allowedHosts: readonly string[]): Promise<string[]> {
    const unexpected = (await this.#newInEtc()).filter((name) => name !== `hosts${TEMPORARY}`);
    return [
      ...await hostsProblems(this.#paths.hostsPath, allowedHosts),
      ...unexpected.map((name) => `/etc/${name} is new`),
    ];
  }

  async #newInEtc(): Promise<string[]> {
    return (await namesIn("/etc")).filter((name) => !this.#etc.has(name));
  }
}

/** The names in a directory, sorted. */
export async function namesIn(path: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(path), ({ name }) => name)).sort();
}
