import assert from "node:assert/strict";
import type { EndpointReport } from "../../src/model/report.ts";
import type { FakeMachine } from "./fake_machine.ts";

/** Runs a daemon around `body`, stops it with SIGTERM, and asserts its exit code. */
export async function withDaemon(
  machine: FakeMachine,
  body: () => Promise<void> | void,
  options: { ready?: "polled" | "answered" } = {},
): Promise<void> {
  const { ready = "polled" } = options;
  const running = machine.run();
  try {
    await machine.until("the first poll", async () => {
      const { state } = (await machine.askStatus()).api;
      return ready === "polled" ? state === "ok" : state !== "never";
    });
    await body();
  } finally {
    machine.signal("SIGTERM");
    assert.equal(await running, 0, machine.logText + machine.err.join(""));
  }
}

/** The status line of the response to `GET /` at an endpoint's listener. */
export async function statusLine({ listen_address, hostname, port }: EndpointReport): Promise<string> {
  const [address, localPort] = listen_address.split(":");
  const conn = await Deno.connect({ hostname: address!, port: Number(localPort) });
  const request = `GET / HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: close\r\n\r\n`;
  await conn.write(new TextEncoder().encode(request));
  return (await new Response(conn.readable).text()).split("\r\n")[0]!;
}

/** Connects to the listener of an endpoint. */
export async function connectTo({ listen_address }: EndpointReport): Promise<Deno.TcpConn> {
  const [hostname, port] = listen_address.split(":");
  return await Deno.connect({ hostname: hostname!, port: Number(port) });
}
