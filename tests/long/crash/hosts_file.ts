/** The mode, owner and group of the hosts file, which a new file does not get by itself. */
const MODE = 0o664;
const OWNER = 0;
const GROUP = 12;
const BEGIN = "# BEGIN ngrokd managed section\n";
const END = "# END ngrokd managed section\n";
const OTHER_LINES = "127.0.0.1\tlocalhost\n# kept as it is\n192.0.2.7 printer\n";

/** Writes the hosts file of a machine that ngrokd has not changed. */
export async function writeHosts(path: string): Promise<void> {
  await Deno.writeTextFile(path, OTHER_LINES);
  await Deno.chown(path, OWNER, GROUP);
  await Deno.chmod(path, MODE);
}

/** The text of the hosts file with these lines of ngrokd: `LEASE\tapi.myapp`. */
export function hostsWith(lines: readonly string[]): string {
  return lines.length === 0 ? OTHER_LINES : `${OTHER_LINES}\n${BEGIN}${lines.join("\n")}\n${END}`;
}

/** The names that ngrokd has published, and their addresses. */
export async function namesInHosts(path: string): Promise<Map<string, string>> {
  const section = (await Deno.readTextFile(path)).split(BEGIN)[1] ?? "";
  const lines = section.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => line.split("\t")).map(([address, name]) => [name!, address!]));
}

/** The virtual addresses in texts for {@linkcode hostsProblems}: first leases are random. */
export const LEASE = "LEASE";

/** Returns the problems of the hosts file, which must have one of the allowed texts. */
export async function hostsProblems(path: string, allowed: readonly string[]): Promise<string[]> {
  const text = (await Deno.readTextFile(path)).replace(/^10\.\d+\.\d+\.\d+\t/gm, `${LEASE}\t`);
  const { mode, uid, gid } = await Deno.stat(path);
  const attributes = `${(mode! & 0o7777).toString(8)} ${uid}:${gid}`;
  return [
    allowed.includes(text) ? [] : `${path} has a wrong text: ${JSON.stringify(text)}`,
    attributes === `${MODE.toString(8)} ${OWNER}:${GROUP}`
      ? []
      : `${path} has another mode or owner: ${attributes}`,
  ].flat();
}
