const GROUP_FILE = "/etc/group";

/** Returns the id of a group on this machine; undefined if there is none of that name. */
export async function groupId(name: string): Promise<number | undefined> {
  let text: string;
  try {
    text = await Deno.readTextFile(GROUP_FILE);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  for (const line of text.split("\n")) {
    const [group, , gid] = line.split(":");
    if (group === name && gid !== undefined && /^[0-9]+$/.test(gid)) return Number(gid);
  }
  return undefined;
}
