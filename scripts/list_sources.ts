/**
 * Returns the TypeScript files at or below `paths`, sorted, as paths from `root`. A folder ends in
 * `/`; a path that does not exist is skipped.
 */
export async function listSources(root: URL, paths: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const path of paths) {
    if (!await exists(new URL(path, root))) continue;
    if (path.endsWith("/")) {
      const entries = await Array.fromAsync(Deno.readDir(new URL(path, root)));
      const names = entries.map(({ name, isDirectory }) =>
        path + encodeURIComponent(name) + (isDirectory ? "/" : "")
      );
      files.push(...await listSources(root, names));
    } else if (path.endsWith(".ts")) files.push(path);
  }
  return files.sort();
}

async function exists(url: URL): Promise<boolean> {
  return await Deno.stat(url).then(() => true, () => false);
}
