/** Returns a path without the slashes that it ends with. A pattern for them would be quadratic. */
export function withoutFinalSlashes(path: string): string {
  let end = path.length;
  while (path[end - 1] === "/") end--;
  return path.slice(0, end);
}
