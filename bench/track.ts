import { Stage } from "../sim/stage.ts";
import type { BackendPorts } from "./backend.ts";
import { Child, Script } from "./child.ts";
import type { Address } from "./client.ts";
import type { Peer, PeerName } from "./peers.ts";
import { makeServerCertificate } from "./server_certificate.ts";

/** What is measured. */
export type SubjectName = "direct" | "ngrokd" | PeerName;

/** One path from the load client to the backend. */
export interface Subject {
  readonly name: SubjectName;
  readonly address: Address;
  /** The process whose CPU time counts; the direct path has none. */
  readonly pid?: number;
}

/** Everything that stands while the bench measures. */
export interface Track {
  readonly subjects: readonly Subject[];
  readonly client: Script;
  readonly backend: Script;
  /** What ends the subjects' TLS, in words. */
  readonly farEnd: string;
  readonly farEndPid: number;
}

const ENDPOINT_URL = "tcp://bench.internal:7000";
const SECTIONS = "net:\n  subnet: 127.107.0.0/16";
const START_LIMIT_MS = 10_000;

/**
 * Starts backend, far end, daemon, peers and load client. All of it ends with `stack`, also what stands when this throws.
 *
 * ```
 * client → direct                                  → backend
 * client → ngrokd  → far end (mTLS, upgrade frame) → backend
 * client → stunnel → far end (mTLS)                → backend
 * ```
 */
export async function buildTrack(stack: AsyncDisposableStack, peers: readonly Peer[]): Promise<Track> {
  const terminator = peers[0];
  const server = await makeServerCertificate();
  const backend = new Script(stack, "backend.ts");
  const client = new Script(stack, "client.ts");
  const ports = await backend.ask(terminator === undefined ? { tls: server } : {}) as BackendPorts;
  const framedPort = terminator === undefined ? ports.framed : freePort();
  const opening = Stage.open({
    ingress: `127.0.0.1:${framedPort}`,
    ingressCa: server.caPem,
    sections: SECTIONS,
  });
  // Before it is open, so that a bench that is stopped now waits for it.
  stack.defer(async () => await (await opening.catch(() => undefined))?.[Symbol.asyncDispose]());
  const stage = await opening;
  const { directory, etc, cloud } = stage;
  cloud.addEndpoint({ url: ENDPOINT_URL, backend: "tcp" });
  stage.startDaemon();
  const address = parseAddress((await stage.settled(1))[0]!.listen_address);
  const direct: Subject = { name: "direct", address: { hostname: "127.0.0.1", port: ports.plain } };
  const ngrokd: Subject = { name: "ngrokd", address, pid: stage.pid };
  if (terminator === undefined) {
    const farEnd =
      "the backend itself (Deno.listenTls, which asks for no client certificate): no peer is installed";
    return { subjects: [direct, ngrokd], client, backend, farEnd, farEndPid: backend.pid };
  }

  // The daemon's own certificate, for everybody.
  const [cert, key] = await Promise.all(
    [`${etc}/tls.crt`, `${etc}/tls.key`].map((path) => Deno.readTextFile(path)),
  );
  const path = await writeFiles(directory, {
    "server.crt": server.cert,
    "server.key": server.key,
    "server.pem": server.cert + server.key,
    "server-ca.pem": server.caPem,
    "client.pem": `${cert}\n${key}`,
    "client-ca.pem": cloud.caPem,
  });
  const plainPort = freePort();
  const farEnd = await startPeer(stack, {
    peer: terminator,
    port: plainPort,
    configPath: path("far-end.conf"),
    config: terminator.serverConfig({
      routes: [{ listenPort: framedPort, backendPort: ports.framed }, {
        listenPort: plainPort,
        backendPort: ports.plain,
      }],
      certPath: path("server.crt"),
      keyPath: path("server.key"),
      pairPath: path("server.pem"),
      clientCertPath: `${etc}/tls.crt`,
      clientCaPath: path("client-ca.pem"),
    }),
  });
  const subjects = [direct, ngrokd];
  for (const peer of peers) {
    const listenPort = freePort();
    const config = peer.clientConfig({
      listenPort,
      farEndPort: plainPort,
      certPath: `${etc}/tls.crt`,
      keyPath: `${etc}/tls.key`,
      pairPath: path("client.pem"),
      caPath: path("server-ca.pem"),
    });
    const child = await startPeer(stack, {
      peer,
      port: listenPort,
      configPath: path(`${peer.name}.conf`),
      config,
    });
    subjects.push({ name: peer.name, address: { hostname: "127.0.0.1", port: listenPort }, pid: child.pid });
  }
  return { subjects, client, backend, farEnd: `${terminator.name} with mutual TLS`, farEndPid: farEnd.pid };
}

interface PeerStart {
  readonly peer: Peer;
  /** It is ready once this port of 127.0.0.1 takes connections. */
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

/** Writes the files, for the owner only, and gives the way from a name to its path. */
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

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
