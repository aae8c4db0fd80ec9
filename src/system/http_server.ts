import { listenerKey } from "../model/route_table.ts";
import { toBindError } from "./errors.ts";

/**
 * Serves HTTP on one address. If the handler throws, the response is 500.
 *
 * @throws {BindError} If the address cannot be bound.
 */
export function serveHttp(
  where: { address: string; port: number },
  handler: (request: Request) => Response | Promise<Response>,
): HttpServer {
  const stop = new AbortController();
  try {
    const server = Deno.serve({
      hostname: where.address,
      port: where.port,
      signal: stop.signal,
      onListen: () => {},
      onError: () => new Response("internal error\n", { status: 500 }),
    }, handler);
    return {
      port: server.addr.port,
      async close() {
        stop.abort();
        await server.finished;
      },
    };
  } catch (error) {
    throw toBindError(error, listenerKey(where.address, where.port));
  }
}

/** An open HTTP server. */
export interface HttpServer {
  readonly port: number;
  /** Stops accepting and ends running requests. */
  close(): Promise<void>;
}
