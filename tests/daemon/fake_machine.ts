import type { SignalName } from "../../src/system/signals.ts";
import { realSystem, type System } from "../../src/system/system.ts";
import { SimulatedCloud } from "../../sim/cloud/cloud.ts";

/** A daemon's surroundings inside the test: real sockets and files, but signals, environment and output are the test's. */
export interface FakeMachine extends AsyncDisposable {
  readonly cloud: SimulatedCloud;
  readonly directory: string;
  readonly configPath: string;
  readonly system: System;
  /** What the daemon wrote to its log and to standard error. */
  readonly out: string[];
  readonly err: string[];
  readonly environment: Record<string, string>;
  signal(name: SignalName): void;
  ask(
    command: string,
    args?: string[],
  ): Promise<{ success: boolean; data?: unknown; error?: string; hint?: string }>;
  until(what: string, done: () => boolean | Promise<boolean>): Promise<void>;
}

/** Makes one, with a configuration for it; `extra` is YAML at the top level. */
export async function fakeMachine(extra = "", overrides: Partial<System> = {}): Promise<FakeMachine> {
  const cloud = await SimulatedCloud.start();
  const directory = await Deno.makeTempDir({ prefix: "ngrokd-" });
  await Deno.mkdir(`${directory}/run`, { mode: 0o700 });
  await Deno.writeTextFile(`${directory}/ca.pem`, cloud.caPem);
  const configPath = `${directory}/config.yml`;
  await Deno.writeTextFile(
    configPath,
    [
      `api: {url: "${cloud.apiUrl}", key: "${cloud.apiKey}"}`,
      `ingressEndpoint: ${cloud.ingressHost}:${cloud.ingressPort}`,
      "server:",
      `  socket_path: ${directory}/run/ngrokd.sock`,
      `  client_cert: ${directory}/state/tls.crt`,
      `  client_key: ${directory}/state/tls.key`,
      `  ingress_ca: ${directory}/ca.pem`,
      `  health_port: ${freePort()}`,
      "bound_endpoints: {poll_interval: 1}",
      extra,
      "",
    ].join("\n"),
  );
  const handlers = new Set<(name: SignalName) => void>();
  const out: string[] = [];
  const err: string[] = [];
  const environment: Record<string, string> = { NGROKD_HOSTS_PATH: `${directory}/hosts` };
  const system: System = {
    ...realSystem(),
    readEnvironment: (name) => environment[name] || undefined,
    takeEnvironment: (name) => environment[name] || undefined,
    onSignals(_names, handler) {
      handlers.add(handler);
      return { [Symbol.dispose]: () => handlers.delete(handler) };
    },
    writeOut: (text) => void out.push(text),
    writeErr: (text) => void err.push(text),
    ...overrides,
  };
  return {
    cloud,
    directory,
    configPath,
    system,
    out,
    err,
    environment,
    signal: (name) => handlers.forEach((handler) => handler(name)),
    async ask(command, args = []) {
      const conn = await Deno.connect({ transport: "unix", path: `${directory}/run/ngrokd.sock` });
      await conn.write(new TextEncoder().encode(JSON.stringify({ command, args })));
      return JSON.parse(await new Response(conn.readable).text());
    },
    async until(what, done) {
      const end = Date.now() + 10_000;
      while (!await Promise.resolve().then(done).catch(() => false)) {
        if (Date.now() > end) throw new Error(`${what}: not within 10 s\n${out.join("")}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    async [Symbol.asyncDispose]() {
      await cloud[Symbol.asyncDispose]();
      await Deno.remove(directory, { recursive: true });
    },
  };
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
