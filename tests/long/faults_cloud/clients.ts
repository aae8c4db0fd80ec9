const LIMIT_MS = 40_000;

/** One GET as a user's curl would send it; gives `200`, `502: what the body says`, or how it ended without an answer. */
export async function askWeb(listen: string, host: string): Promise<string> {
  const { text, end } = await exchange(listen, {
    send: `GET /hello HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
    isDone: () => false,
  });
  const [, status, body = ""] = /^HTTP\/1\.1 (\d{3})[^\n]*\n[^]*?\r\n\r\n([^]*)$/.exec(text) ?? [];
  if (status === undefined) return end;
  return status === "200" ? "200" : `${status}: ${body.trim().split("\n")[0]}`;
}

/** A line to an echo server and back; gives `the echo` or how it ended without one. */
export async function askEcho(listen: string): Promise<string> {
  const line = "hello, echo\n";
  const { text, end } = await exchange(listen, { send: line, isDone: (got) => got.length >= line.length });
  return text.startsWith(line) ? "the echo" : end;
}

interface Exchange {
  readonly send: string;
  readonly isDone: (text: string) => boolean;
}

async function exchange(listen: string, options: Exchange): Promise<{ text: string; end: string }> {
  const [, hostname = "", port = ""] = /^(.*):(\d+)$/.exec(listen) ?? [];
  using conn = await Deno.connect({ hostname, port: Number(port) });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    conn.close();
  }, LIMIT_MS);
  let text = "";
  try {
    await conn.write(new TextEncoder().encode(options.send));
    const buffer = new Uint8Array(16_384);
    for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer)) {
      text += new TextDecoder().decode(buffer.subarray(0, count));
      if (options.isDone(text)) break;
    }
    return { text, end: "closed without an answer" };
  } catch {
    return { text, end: late ? `no answer in ${LIMIT_MS / 1000} s` : "reset" };
  } finally {
    clearTimeout(timer);
  }
}
