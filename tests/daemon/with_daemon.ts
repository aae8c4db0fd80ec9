import assert from "node:assert/strict";
import { runDaemon } from "../../src/daemon/run.ts";
import type { EndpointReport, StatusReport } from "../../src/model/report.ts";
import type { FakeMachine } from "./fake_machine.ts";

/** Runs a daemon around `body`, ends it with SIGTERM, and demands exit code 0. */
export async function withDaemon(machine: FakeMachine, body: () => Promise<void>): Promise<void> {
  const running = runDaemon(["--config", machine.configPath], machine.system);
  try {
    await machine.until("it has polled", async () => (await statusOf(machine)).api.state === "ok");
    await body();
  } finally {
    machine.signal("SIGTERM");
    assert.equal(await running, 0, machine.out.join("") + machine.err.join(""));
  }
}

/** What `ngrokctl status` shows. */
export async function statusOf(machine: FakeMachine): Promise<StatusReport> {
  return (await machine.ask("status")).data as StatusReport;
}

/** What `ngrokctl list` shows. */
export async function listOf(machine: FakeMachine): Promise<EndpointReport[]> {
  return (await machine.ask("list")).data as EndpointReport[];
}

/** The first line of what an endpoint answers to `GET /`. */
export async function statusLine({ listen_address, hostname, port }: EndpointReport): Promise<string> {
  const [address, localPort] = listen_address.split(":");
  const conn = await Deno.connect({ hostname: address!, port: Number(localPort) });
  const request = `GET / HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: close\r\n\r\n`;
  await conn.write(new TextEncoder().encode(request));
  return (await new Response(conn.readable).text()).split("\r\n")[0]!;
}
