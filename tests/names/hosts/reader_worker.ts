// Reads a file in a loop and counts reads of other texts. `flags` is [stop, reads, torn].
(self as unknown as Worker).onmessage = (event: MessageEvent) => {
  const { path, legal, flags } = event.data as { path: string; legal: string[]; flags: Int32Array };
  const allowed = new Set(legal);
  while (Atomics.load(flags, 0) === 0) {
    if (!allowed.has(Deno.readTextFileSync(path))) Atomics.add(flags, 2, 1);
    Atomics.add(flags, 1, 1);
    // The writer needs its share of the processor.
    Atomics.wait(flags, 0, 0, 2);
  }
  self.close();
};
