import assert from "node:assert/strict";
import { Forwarder, type ForwarderOptions } from "../../src/forward/forwarder.ts";
import { listenerKey, type Route, RouteTable } from "../../src/model/route_table.ts";
import { connectTls } from "../../src/system/connect_tls.ts";
import { listenTcp } from "../../src/system/tcp.ts";
import { type Behaviour, echo, type FakeIngress, fakeIngress } from "./fake_ingress.ts";
import { readAll, send, text } from "./memory_stream.ts";
import type { TestPair } from "./test_ca.ts";

/** A forwarder with one listener on 127.0.0.1 before a fake ingress. */
export interface StartedForwarder extends AsyncDisposable {
  readonly forwarder: Forwarder;
  readonly ingress: FakeIngress;
  readonly port: number;
  /** `address:port` of the listener. */
  readonly key: string;
  /** Makes these the routes of the listener. */
  setRoutes(...routes: Route[]): void;
  dial(): Promise<Deno.TcpConn>;
  /** Sends the bytes, ends, and returns all that comes back. */
  exchange(bytes: Uint8Array | string): Promise<Uint8Array>;
  /** As `exchange`, but returns text. */
  ask(bytes: Uint8Array | string): Promise<string>;
}

/** Starts a forwarder with these routes. */
export function startForwarder(routes: readonly Route[], options: StartOptions = {}): StartedForwarder {
  const { behave = echo, tls, ...rest } = options;
  const ingress = fakeIngress(behave, tls === undefined ? {} : { tls });
  const forwarder = new Forwarder({
    listen: listenTcp,
    connect: tls === undefined
      ? () => Deno.connect({ hostname: "127.0.0.1", port: ingress.port })
      : connectTls,
    ingress: () => ({ hostname: "localhost", port: ingress.port }),
    clientPair: () => ({ cert: "c", key: "k" }),
    trust: () => [],
    ...rest,
  });
  const port = forwarder.open({ address: "127.0.0.1", port: 0 });
  const setRoutes = (...routes: Route[]): void =>
    forwarder.setRoutes(new RouteTable(routes.map((route) => ({ ...route, localPort: port }))));
  const dial = (): Promise<Deno.TcpConn> => Deno.connect({ hostname: "127.0.0.1", port });
  async function exchange(bytes: Uint8Array | string): Promise<Uint8Array> {
    using conn = await dial();
    await send(conn, bytes);
    await conn.closeWrite();
    return await readAll(conn);
  }
  setRoutes(...routes);
  return {
    forwarder,
    ingress,
    port,
    key: listenerKey("127.0.0.1", port),
    setRoutes,
    dial,
    exchange,
    ask: async (bytes) => text(await exchange(bytes)),
    async [Symbol.asyncDispose]() {
      await forwarder[Symbol.asyncDispose]();
      await ingress[Symbol.asyncDispose]();
      assert.equal(forwarder.openConnections, 0);
    },
  };
}

/** Options of {@linkcode startForwarder}. */
export interface StartOptions extends Partial<ForwarderOptions> {
  /** @default {echo} */
  readonly behave?: Behaviour;
  /** The certificate of an ingress with TLS. @default Plain TCP */
  readonly tls?: TestPair;
}
