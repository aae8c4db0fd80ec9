import { ApiClient, type ApiClientOptions, type Budget } from "../../src/cloud/client.ts";
import { type HttpRequest, type HttpResponse, sendHttp } from "../../src/system/http.ts";

/** An API key in the form of docs/protocol.md 1.1: an id and a secret. */
export const KEY = "2abcdefghijklmnopqrstuvwxyz_5ecretSecretSecret123";

/** A client of https://api.example.com with {@linkcode KEY}, unless the options say otherwise. */
export function apiClient(options: Partial<ApiClientOptions> = {}): ApiClient {
  return new ApiClient({
    baseUrl: () => "https://api.example.com",
    key: () => KEY,
    send: sendHttp,
    userAgent: "ngrokd/test",
    ...options,
  });
}

/**
 * A `send` for an {@linkcode apiClient} that answers without a socket; what is missing is a 200
 * without a body.
 */
export function answering(
  answer: (request: HttpRequest) => Partial<HttpResponse> | Promise<Partial<HttpResponse>>,
): typeof sendHttp {
  return async (request) => ({ status: 200, headers: new Headers(), body: "", ...await answer(request) });
}

/** A budget that never waits: pages beyond the real one would wait for minutes. */
const UNLIMITED: Budget = {
  take: () => Promise.resolve(),
  recordFailure: () => {},
  recordFullList: () => {},
  waitMs: () => 0,
};

/** A request as the fake API received it. */
export interface SeenRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
}

/** An HTTP server that gives the answers of a test and keeps all requests. */
export class FakeApi implements AsyncDisposable {
  readonly seen: SeenRequest[] = [];
  readonly url: string;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(answer: (request: SeenRequest, api: FakeApi) => Response | Promise<Response>) {
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
      const { method, headers } = request;
      const seen = {
        method,
        path: request.url.slice(new URL(request.url).origin.length),
        headers,
        body: await request.text(),
      };
      this.seen.push(seen);
      return await answer(seen, this);
    });
    this.url = `http://127.0.0.1:${this.#server.addr.port}`;
  }

  client(options: Partial<ApiClientOptions> = {}): ApiClient {
    return apiClient({ baseUrl: () => this.url, budget: UNLIMITED, ...options });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

export function json(body: unknown, init: ResponseInit = {}): Response {
  return new Response(JSON.stringify(body), {
    ...init,
    headers: { "Content-Type": "application/json", ...init.headers },
  });
}

/** URLs that lead away from an API to another host, port, scheme or file, or to nowhere. */
export function foreignUrls(api: string, other: ForbiddenHost): string[] {
  const { host, port } = new URL(api);
  const evil = new URL(other.url).host;
  return [
    `http://${evil}/x`,
    `HTTP://${evil}`,
    `//${evil}/x`,
    `\\\\${evil}\\x`,
    `http:\\\\${evil}/x`,
    ` \thttp://${evil}/x`,
    `https://${host}/x`,
    `https://${evil}/x`,
    `ws://${evil}/x`,
    `ftp://${host}/x`,
    `http://localhost:${port}/x`,
    `http://${host}@${evil}/x`,
    `http://127.0.0.1:good@${evil}/x`,
    `http://user:${"word".repeat(1000)}@${evil}/x`,
    `http://${evil}#@${host}/x`,
    `http://${evil}?@${host}/x`,
    `http://[::ffff:127.0.0.1]:${port}/x`,
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    `blob:${api}/x`,
    "data:application/json,{}",
    "javascript:1",
    "unix:/run/x.sock",
  ];
}

/** A listener that must never be reached: it counts connections and closes them. */
export class ForbiddenHost implements AsyncDisposable {
  connections = 0;
  readonly url: string;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #loop: Promise<void>;

  constructor() {
    this.url = `http://127.0.0.1:${this.#listener.addr.port}`;
    this.#loop = this.#run();
  }

  async #run(): Promise<void> {
    for await (const conn of this.#listener) {
      this.connections++;
      conn.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#loop;
  }
}
