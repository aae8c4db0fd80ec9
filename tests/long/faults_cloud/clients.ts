import { dial } from "../../e2e/client.ts";

const LIMIT_MS = 40_000;

/** The answer of {@linkcode askEcho} if the echo came back. */
export const ECHO = "the echo";
/** The answer if the connection was closed first. */
export const CLOSED = "closed without an answer";
/** The answer if the connection was reset first. */
export const RESET = "reset";

/**
 * Sends a GET request to a listener as curl does. Returns `200`, `502: <first line of the body>`,
 * or how the connection ended without an answer.
 */
export async function askWeb(address: string, host: string): Promise<string> {
  const { text, end } = await exchange(address, {
    request: `GET /hello HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
    isDone: () => false,
  });
  const [, status, body = ""] = /^HTTP\/1\.1 (\d{3})[^\n]*\n[^]*?\r\n\r\n([^]*)$/.exec(text) ?? [];
  if (status === undefined) return end;
  return status === "200" ? "200" : `${status}: ${body.trim().split("\n")[0]}`;
}

/**
 * Sends a line to an echo server. Returns {@linkcode ECHO}, or how the connection ended without it.
 */
export async function askEcho(address: string): Promise<string> {
  const line = "hello, echo\n";
  const { text, end } = await exchange(address, {
    request: line,
    isDone: (received) => received.length >= line.length,
  });
  return text.startsWith(line) ? ECHO : end;
}

interface Exchange {
  readonly request: string;
  readonly isDone: (received: string) => boolean;
}

async function exchange(address: string, options: Exchange): Promise<{ text: string; end: string }> {
  using conn = await dial(address);
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    conn.close();
  }, LIMIT_MS);
  let text = "";
  try {
    await conn.write(new TextEncoder().encode(options.request));
    const buffer = new Uint8Array(16_384);
    for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer)) {
      text += new TextDecoder().decode(buffer.subarray(0, count));
      if (options.isDone(text)) break;
    }
    return { text, end: CLOSED };
  } catch {
    return { text, end: isLate ? `no answer in ${LIMIT_MS / 1000} s` : RESET };
  } finally {
    clearTimeout(timer);
  }
}
