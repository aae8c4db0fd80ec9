import type { AddressInfo } from "node:net";
import tls from "node:tls";
import { keyPem, type MadeCert } from "./test_ca.ts";

/** A TLS server that presents a chain and counts what it receives. */
export interface ChainServer extends AsyncDisposable {
  readonly port: number;
  /** Bytes of application data so far. */
  readonly received: () => number;
  /** TCP connections so far. */
  readonly connections: () => number;
}

/**
 * Starts one on 127.0.0.1. The first certificate of the chain is the server's own. It closes a
 * connection at the first data.
 */
export async function presentChain(chain: readonly MadeCert[]): Promise<ChainServer> {
  const key = await keyPem(chain[0]!.keys);
  let received = 0;
  let connections = 0;
  const server = tls.createServer({
    cert: chain.map(({ pem }) => pem).join(""),
    key,
    requestCert: true,
    rejectUnauthorized: false,
  });
  const sockets = new Set<{ destroy(): void }>();
  server.on("connection", (socket) => {
    connections++;
    sockets.add(socket);
  });
  server.on("secureConnection", (socket) => {
    sockets.add(socket);
    socket.on("data", (data) => {
      received += data.length;
      socket.destroy();
    });
    socket.on("error", () => {});
  });
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    received: () => received,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
