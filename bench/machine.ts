import { VERSION } from "../src/lib/version.ts";
import type { Peer } from "./peers.ts";

/** The machine and the versions of the programs that were measured. */
export interface Machine {
  readonly cores: number;
  readonly processor: string;
  readonly kernel: string;
  /** The load average of the minute before the bench. */
  readonly load: number;
  readonly versions: Readonly<Record<string, string>>;
}

/** Describes this machine and the installed peers. */
export async function describeMachine(peers: readonly Peer[]): Promise<Machine> {
  const versions: Record<string, string> = { ngrokd: VERSION, deno: Deno.version.deno };
  for (const peer of peers) versions[peer.name] = versionIn(await print(peer.program, peer.versionArgs));
  return {
    cores: navigator.hardwareConcurrency,
    processor: processorIn(await print("/bin/cat", ["/proc/cpuinfo"])),
    kernel: Deno.osRelease(),
    load: Deno.loadavg()[0]!,
    versions,
  };
}

/** Returns the first version number in `text`, or `unknown`. */
export function versionIn(text: string): string {
  return /\b[0-9]+\.[0-9]+(\.[0-9]+)*\b/.exec(text)?.[0] ?? "unknown";
}

/** Returns the processor model in the text of /proc/cpuinfo, or `unknown`. */
export function processorIn(text: string): string {
  return /^model name\s*:\s*(.*)$/m.exec(text)?.[1] ?? "unknown";
}

async function print(program: string, args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(program, { args: [...args], stdin: "null" }).output();
  const decoder = new TextDecoder();
  return decoder.decode(stdout) + decoder.decode(stderr);
}
