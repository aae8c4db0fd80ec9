/** Writes all of `text` to standard output; a closed reader is not an error. */
export function writeOut(text: string): void {
  writeAllSync(Deno.stdout, text);
}

/** Writes all of `text` to standard error; a closed reader is not an error. */
export function writeErr(text: string): void {
  writeAllSync(Deno.stderr, text);
}

/** Returns true if standard input is a terminal. */
export function isInteractive(): boolean {
  return Deno.stdin.isTerminal();
}

/** Reads all of standard input, at most `maxBytes`. @throws {RangeError} If there is more. */
export async function readStandardInput(maxBytes: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for await (const chunk of Deno.stdin.readable) {
    size += chunk.length;
    if (size > maxBytes) throw new RangeError(`Cannot read standard input: more than ${maxBytes} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/**
 * Switches the echo off, prints the prompt, and passes typed bytes to `onKeys` until it returns
 * false or the input ends. Restores the terminal mode at the end.
 */
export async function readKeys(prompt: string, onKeys: (bytes: Uint8Array) => boolean): Promise<void> {
  const buffer = new Uint8Array(1024);
  Deno.stdin.setRaw(true);
  try {
    // Not earlier: a key that is pasted at once would be echoed.
    writeErr(prompt);
    for (let more = true; more;) {
      const count = await Deno.stdin.read(buffer);
      more = count !== null && onKeys(buffer.subarray(0, count));
    }
  } finally {
    Deno.stdin.setRaw(false);
  }
}

function writeAllSync(stream: { writeSync(data: Uint8Array): number }, text: string): void {
  const bytes = new TextEncoder().encode(text);
  try {
    for (let done = 0; done < bytes.length;) done += stream.writeSync(bytes.subarray(done));
  } catch {
    // A full disk or a closed pipe must not stop the daemon, and there is no other place to report
    // it.
  }
}
