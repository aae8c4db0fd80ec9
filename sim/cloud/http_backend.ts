import { createHash } from "node:crypto";
import { encodeReply, type HttpRequest, serveHttp } from "./http_stream.ts";
import type { Endpoint } from "./state/endpoints.ts";
import type { Wire } from "./wire.ts";

/** One request that an http backend received. */
export interface BackendRequest {
  endpointId: string;
  method: string;
  target: string;
  /** The Host header as sent; null if there was none. */
  host: string | null;
  /** All headers as sent, in order. */
  headers: [string, string][];
  bodyBytes: number;
  bodySha256: string;
}

const WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/**
 * Answers HTTP/1.1 on a stream with JSON that describes the request, its nonce (of the header
 * X-Nonce or of the query) and the endpoint or pool member. After WebSocket and CONNECT it echoes
 * raw bytes.
 */
export async function answerHttp(
  wire: Wire,
  context: {
    endpoint: Endpoint;
    nextMember: () => Endpoint;
    checkHost: boolean;
    host: string;
    record: (request: BackendRequest) => void;
  },
): Promise<void> {
  let member = context.endpoint;
  let isFirst = true;
  await serveHttp(wire, async (request) => {
    // The upgrade has chosen the member for the first request.
    if (!isFirst) member = context.nextMember();
    isFirst = false;
    const seen = await consume(request, member.id);
    context.record(seen);
    if (request.method === "CONNECT") {
      await wire.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      await echoRaw(wire);
      return "detached";
    }
    if (context.checkHost && !isHostOf(seen.host, context.host)) {
      return await wire.write(encodeReply({
        status: 404,
        headers: { "Content-Type": "text/plain", "ngrok-error-code": "ERR_NGROK_3200" },
        body: `The endpoint ${seen.host} is offline.\n`,
      }));
    }
    const key = request.header("Sec-WebSocket-Key");
    if (/^websocket$/i.test(request.header("Upgrade") ?? "") && key !== null) {
      await wire.write(encodeReply({
        status: 101,
        headers: { Upgrade: "websocket", Connection: "Upgrade", "Sec-WebSocket-Accept": acceptKey(key) },
      }));
      await echoRaw(wire);
      return "detached";
    }
    await wire.write(encodeReply({
      status: 200,
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        endpoint_id: member.id,
        method: seen.method,
        path: seen.target,
        host: seen.host,
        nonce: request.header("X-Nonce") ?? request.url.searchParams.get("nonce"),
        headers: Object.fromEntries(seen.headers.map(([name, value]) => [name.toLowerCase(), value])),
        body_bytes: seen.bodyBytes,
        body_sha256: seen.bodySha256,
      }),
    }));
  });
}

async function consume(request: HttpRequest, endpointId: string): Promise<BackendRequest> {
  const hash = createHash("sha256");
  let bodyBytes = 0;
  for await (const piece of request.body()) {
    hash.update(piece);
    bodyBytes += piece.length;
  }
  return {
    endpointId,
    method: request.method,
    target: request.target,
    host: request.header("Host"),
    headers: request.rawHeaders,
    bodyBytes,
    bodySha256: hash.digest("hex"),
  };
}

function isHostOf(header: string | null, host: string): boolean {
  return header?.toLowerCase().replace(/:\d+$/, "") === host.toLowerCase();
}

async function echoRaw(wire: Wire): Promise<void> {
  for (let chunk = await wire.read(); chunk !== null; chunk = await wire.read()) await wire.write(chunk);
  await wire.end();
}

function acceptKey(key: string): string {
  return createHash("sha1").update(key + WEBSOCKET_GUID).digest("base64");
}
