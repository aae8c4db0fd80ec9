let last = 0;

/** Returns a revision that no other value of this process has; it is greater than all before. */
export function nextRevision(): number {
  return ++last;
}
