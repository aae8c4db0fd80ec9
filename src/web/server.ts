import type { HealthReport } from "../model/report.ts";
import { checkRequest } from "./guard.ts";
import { answerHealth } from "./health.ts";

const HEADERS = { "cache-control": "no-store", "x-content-type-options": "nosniff" };

/**
 * Starts the HTTP server of the health paths (docs/compatibility.md 4.4).
 *
 * @throws {BindError} If the address cannot be bound.
 */
export function startHealthServer(options: HealthServerOptions): HealthServer {
  const { address, port, serve, report } = options;
  const server = serve({ address, port }, (request) => respond(request, { address, report }));
  return {
    port: server.port,
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** Options of {@linkcode startHealthServer}. */
export interface HealthServerOptions {
  readonly address: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Opens an HTTP server. */
  readonly serve: (
    where: { address: string; port: number },
    handler: (request: Request) => Response,
  ) => { readonly port: number; close(): Promise<void> };
  /** The state at the time of a request. */
  readonly report: () => HealthReport;
}

/** A running health server. */
export interface HealthServer extends AsyncDisposable {
  readonly port: number;
}

function respond(
  request: Request,
  { address, report }: Pick<HealthServerOptions, "address" | "report">,
): Response {
  const refusal = checkRequest(request, address);
  if (refusal !== undefined) {
    const { status, reason } = refusal;
    return new Response(`${reason}\n`, {
      status,
      headers: {
        ...HEADERS,
        "content-type": "text/plain; charset=utf-8",
        ...(status === 405 && { allow: "GET, HEAD" }),
      },
    });
  }
  const json = request.headers.get("accept")?.includes("application/json") ?? false;
  const { pathname } = new URL(request.url);
  const { status, contentType, body } = answerHealth({ path: pathname, json, report: report() });
  return new Response(request.method === "HEAD" ? null : body, {
    status,
    headers: { ...HEADERS, "content-type": contentType },
  });
}
