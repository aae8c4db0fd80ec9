import { freePort } from "../sim/daemon_harness.ts";
import { Stage, type StageOptions } from "../sim/stage.ts";
import type { BackendPorts } from "./backend.ts";
import { Child, Script } from "./child.ts";
import type { Address } from "./client.ts";
import type { Peer, PeerName } from "./peers.ts";
import { readLines } from "../sim/read_lines.ts";
import { makeServerCertificate } from "./server_certificate.ts";

/** A program that is measured. */
export type SubjectName = "direct" | "ngrokd" | PeerName;

/** One path from the load client to the backend. */
export interface Subject {
  readonly name: SubjectName;
  /** True if it connects to the far end through an HTTP proxy. */
  readonly proxied: boolean;
  readonly address: Address;
  /** The process whose CPU time counts; the direct path has none. */
  readonly pid?: number;
}

/** All processes of the bench. */
export interface Track {
  readonly subjects: readonly Subject[];
  readonly client: Script;
  readonly backend: Script;
  /** A description of the program that terminates TLS. */
  readonly farEnd: string;
  readonly farEndPid: number;
}

const ENDPOINT_URL = "tcp://bench.internal:7000";
const START_LIMIT_MS = 10_000;

/**
 * Starts backend, far end, daemons, peers and load client. `stack` ends all of them, also after an
 * error.
 *
 * ```
 * client → direct                                  → backend
 * client → ngrokd  → far end (mTLS, upgrade frame) → backend
 * client → stunnel → far end (mTLS)                → backend
 * ```
 *
 * A second daemon and a second stunnel connect to the far end through an HTTP proxy.
 */
export async function buildTrack(stack: AsyncDisposableStack, peers: readonly Peer[]): Promise<Track> {
  const terminator = peers[0];
  const server = await makeServerCertificate();
  const backend = new Script(stack, "backend.ts");
  const client = new Script(stack, "client.ts");
  const ports = await backend.ask(terminator === undefined ? { tls: server } : {}) as BackendPorts;
  const framedPort = terminator === undefined ? ports.framed : freePort();
  const proxyPort = await startProxy(stack);
  const stageOptions = { ingress: `127.0.0.1:${framedPort}`, ingressCa: server.caPem };
  const plain = await startDaemon(stack, stageOptions);
  const proxyUrl = `proxy_url: http://127.0.0.1:${proxyPort}`;
  const behindProxy = await startDaemon(stack, { ...stageOptions, sections: proxyUrl });
  const { directory, etc, cloud } = plain.stage;
  const address = { hostname: "127.0.0.1", port: ports.plain };
  const direct: Subject = { name: "direct", proxied: false, address };
  const subjects: Subject[] = [direct, plain.subject, { ...behindProxy.subject, proxied: true }];
  if (terminator === undefined) {
    const farEnd =
      "the backend itself (Deno.listenTls, which asks for no client certificate): no peer is installed";
    return { subjects, client, backend, farEnd, farEndPid: backend.pid };
  }

  // The peers use the certificate of the first daemon.
  const [cert, key, otherCert] = await Promise.all(
    [`${etc}/tls.crt`, `${etc}/tls.key`, `${behindProxy.stage.etc}/tls.crt`].map((path) =>
      Deno.readTextFile(path)
    ),
  );
  const path = await writeFiles(directory, {
    "server.crt": server.cert,
    "server.key": server.key,
    "server.pem": server.cert + server.key,
    "server-ca.pem": server.caPem,
    "client.pem": `${cert}\n${key}`,
    "clients.pem": `${cert}\n${otherCert}`,
    "client-ca.pem": cloud.caPem + behindProxy.stage.cloud.caPem,
  });
  const plainPort = freePort();
  const farEnd = await startPeer(stack, {
    peer: terminator,
    port: plainPort,
    configPath: path("far-end.conf"),
    config: terminator.serverConfig({
      routes: [
        { listenPort: framedPort, backendPort: ports.framed },
        { listenPort: plainPort, backendPort: ports.plain },
      ],
      certPath: path("server.crt"),
      keyPath: path("server.key"),
      pairPath: path("server.pem"),
      clientCertPath: path("clients.pem"),
      clientCaPath: path("client-ca.pem"),
    }),
  });
  const variants = peers.flatMap((peer) =>
    [false, ...peer.proxies ? [true] : []].map((proxied) => ({ peer, proxied }))
  );
  for (const { peer, proxied } of variants) {
    const listenPort = freePort();
    const config = peer.clientConfig({
      listenPort,
      farEndPort: plainPort,
      certPath: `${etc}/tls.crt`,
      keyPath: `${etc}/tls.key`,
      pairPath: path("client.pem"),
      caPath: path("server-ca.pem"),
      ...proxied ? { proxyPort } : {},
    });
    const configPath = path(`${peer.name}${proxied ? "-proxied" : ""}.conf`);
    const { pid } = await startPeer(stack, { peer, port: listenPort, configPath, config });
    subjects.push({ name: peer.name, proxied, address: { hostname: "127.0.0.1", port: listenPort }, pid });
  }
  return { subjects, client, backend, farEnd: `${terminator.name} with mutual TLS`, farEndPid: farEnd.pid };
}

/** Starts a simulated cloud and a daemon that serves its one endpoint. */
async function startDaemon(
  stack: AsyncDisposableStack,
  options: StageOptions,
): Promise<{ stage: Stage; subject: Subject }> {
  const opening = Stage.open(options);
  // Deferred before the stage is open, so that a bench that is stopped now waits for it.
  stack.defer(async () => await (await opening.catch(() => undefined))?.[Symbol.asyncDispose]());
  const stage = await opening;
  stage.cloud.addEndpoint({ url: ENDPOINT_URL, backend: "tcp" });
  stage.startDaemon();
  const address = parseAddress((await stage.settled(1))[0]!.listen_address);
  return { stage, subject: { name: "ngrokd", proxied: false, address, pid: stage.pid } };
}

/** Starts the HTTP proxy and returns its port on 127.0.0.1. */
async function startProxy(stack: AsyncDisposableStack): Promise<number> {
  const script = new URL("./connect_proxy.ts", import.meta.url).pathname;
  const args = ["run", "--no-prompt", "--quiet", "--allow-net=127.0.0.1", script];
  const child = new Child(stack, [Deno.execPath(), ...args]);
  const { value } = await readLines(child.stdout).next();
  if (value === undefined) throw await child.failure();
  return Number(value);
}

interface PeerStart {
  readonly peer: Peer;
  /** The port on 127.0.0.1 that accepts connections once the peer is ready. */
  readonly port: number;
  readonly config: string;
  readonly configPath: string;
}

async function startPeer(stack: AsyncDisposableStack, options: PeerStart): Promise<Child> {
  const { peer, port, config, configPath } = options;
  await Deno.writeTextFile(configPath, config);
  const child = new Child(stack, [peer.program, ...peer.args(configPath)]);
  const end = Date.now() + START_LIMIT_MS;
  while (
    !await Deno.connect({ hostname: "127.0.0.1", port }).then((conn) => (conn.close(), true), () => false)
  ) {
    await child.assertRunning();
    if (Date.now() > end) {
      throw new Error(`Cannot start ${peer.name}: it does not listen after ${START_LIMIT_MS / 1000} s`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return child;
}

/** Writes the files with mode 0600 and returns a function from a name to its path. */
async function writeFiles(
  directory: string,
  files: Readonly<Record<string, string>>,
): Promise<(name: string) => string> {
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${directory}/${name}`, text, { mode: 0o600 });
  }
  return (name) => `${directory}/${name}`;
}

function parseAddress(text: string): Address {
  const [hostname = "", port] = text.split(":");
  return { hostname, port: Number(port) };
}
