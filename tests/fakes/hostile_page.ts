import assert from "node:assert/strict";
import { copyStream, readExactly, readUntil, send, text } from "./memory_stream.ts";

/**
 * The server of a hostile web page whose name changes its address: connections for paths below
 * `/to/ADDRESS:PORT/` end at that address, as after a change in the DNS; all others at the server
 * itself. The page must report with a POST to `/report` of another name below `example`, because
 * the browser uses the connections of a name again.
 */
export class HostilePage implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #script: string;
  readonly #running = new Set<Promise<void>>();
  readonly #open = new Set<Disposable>();
  readonly #accepting: Promise<void>;
  readonly #report = Promise.withResolvers<string>();

  constructor(script: string) {
    this.#script = script;
    this.#accepting = this.#accept();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  /** Opens the page in Chromium under the name `rebound.example`, and returns its report. */
  async open(): Promise<unknown> {
    const profile = await Deno.makeTempDir({ prefix: "ngrokd-chromium-" });
    const browser = new Deno.Command("chromium", {
      args: [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        `--user-data-dir=${profile}`,
        "--host-resolver-rules=MAP *.example 127.0.0.1",
        `http://rebound.example:${this.port}/`,
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const errors = new Response(browser.stderr).text();
    const ended = browser.status.then(async () => assert.fail(`Chromium ended: ${await errors}`));
    try {
      return JSON.parse(await Promise.race([this.#report.promise, ended]));
    } finally {
      browser.kill("SIGTERM");
      await ended.catch(() => {});
      await Deno.remove(profile, { recursive: true }).catch(() => {});
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    for (const conn of this.#open) conn[Symbol.dispose]();
    await Promise.all(this.#running);
  }

  async #accept(): Promise<void> {
    for (;;) {
      const conn = await this.#listener.accept().catch(() => undefined);
      if (conn === undefined) return;
      this.#open.add(conn);
      const serving = this.#serve(conn).catch(() => {}).finally(() => {
        this.#running.delete(serving);
        this.#open.delete(conn);
        conn[Symbol.dispose]();
      });
      this.#running.add(serving);
    }
  }

  async #serve(conn: Deno.TcpConn): Promise<void> {
    const head = await readUntil(conn, "\r\n\r\n");
    const [, hostname, port] = /^[A-Z]+ \/to\/([0-9.]+):([0-9]+)\//.exec(head) ?? [];
    if (hostname !== undefined) {
      using endpoint = await Deno.connect({ hostname, port: Number(port) });
      this.#open.add(endpoint);
      await send(endpoint, head);
      await Promise.all([copyStream(conn, endpoint), copyStream(endpoint, conn)]);
      return;
    }
    if (head.startsWith("POST /report")) {
      const length = Number(/content-length: ([0-9]+)/i.exec(head)![1]);
      this.#report.resolve(text(await readExactly(conn, length)));
    }
    const page = head.startsWith("GET / ")
      ? `<!doctype html><script type="module">${this.#script}</script>`
      : "";
    await send(
      conn,
      `HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: ${page.length}\r\nConnection: close\r\n\r\n${page}`,
    );
  }
}
