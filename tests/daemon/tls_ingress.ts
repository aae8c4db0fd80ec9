import assert from "node:assert/strict";
import type { HealthReport, StatusReport, TrustReport } from "../../src/model/report.ts";
import { realSystem, type System } from "../../src/system/system.ts";
import { type ChainServer, presentChain } from "../fakes/chain_server.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import type { MadeCert } from "../fakes/test_ca.ts";
import { connectTo, withDaemon } from "../fakes/with_daemon.ts";

/** The directory whose files hold further trusted CAs. */
export const CA_DIRECTORY = "/etc/ssl/certs/ngrok";

/** A running daemon whose ingress presents a chain of certificates. */
export class TlsIngress {
  readonly machine: FakeMachine;
  readonly server: ChainServer;

  constructor(machine: FakeMachine, server: ChainServer) {
    this.machine = machine;
    this.server = server;
  }

  /** Runs `test` with an ingress on localhost. The daemon trusts no CA file by default. */
  static async run(options: TlsIngressOptions, test: (ingress: TlsIngress) => Promise<void>): Promise<void> {
    const { chain, ingressCa, learnt } = options;
    await using server = await presentChain(chain);
    await using machine = await FakeMachine.create({ ingress: `localhost:${server.port}` });
    machine.override(systemFor(options));
    const ingress = new TlsIngress(machine, server);
    if (ingressCa === undefined) await machine.editConfig(/^ {2}ingress_ca: .*\n/m, "");
    else await Deno.writeTextFile(`${machine.etc}/ca.pem`, ingressCa, { mode: 0o644 });
    if (learnt !== undefined) await Deno.writeTextFile(ingress.learntPath, learnt, { mode: 0o644 });
    machine.cloud.addEndpoint({ url: "tcp://db.example:8397", backend: "echo" });
    await withDaemon(machine, () => test(ingress));
  }

  /** The file of the learnt CAs. */
  get learntPath(): string {
    return `${this.machine.etc}/ingress_ca.pem`;
  }

  /** The learnt CAs, or undefined if there are none. */
  async learnt(): Promise<string | undefined> {
    return await Deno.readTextFile(this.learntPath).catch(() => undefined);
  }

  /** Sends data through the endpoint and waits for the end of the connection. */
  async use(): Promise<void> {
    const [row] = await this.machine.active(1);
    using conn = await connectTo(row!);
    await conn.write(new TextEncoder().encode("the payload of the client"));
    await conn.read(new Uint8Array(1)).catch(() => {});
  }

  /**
   * Uses the endpoint, and asserts that the ingress is refused with this error and gets no data.
   */
  async assertRefused(error: RegExp, hint = /ngrokctl trust show/): Promise<void> {
    const received = this.server.received();
    await this.use();
    const { ingress } = await this.machine.askStatus();
    assert.equal(ingress.state, "failing");
    assert.match(ingress.error!, error);
    assert.match(ingress.hint!, hint);
    assert.equal(this.server.received(), received);
  }

  /**
   * Uses the endpoint, and asserts that data reaches the ingress, which then closes the connection.
   */
  async assertAccepted(): Promise<void> {
    const received = this.server.received();
    await this.use();
    assert.ok(this.server.received() > received);
  }

  async trust(): Promise<StatusReport["trust"]> {
    return (await this.machine.askStatus()).trust;
  }

  async showTrust(): Promise<TrustReport> {
    return await this.machine.ask("trust", ["show"]) as TrustReport;
  }

  async health(): Promise<HealthReport> {
    return await this.machine.ask("health") as HealthReport;
  }
}

/** The chain of an ingress, and the CAs that the daemon knows. */
export interface TlsIngressOptions {
  readonly chain: readonly MadeCert[];
  /** The CAs that the daemon may learn. */
  readonly listed?: readonly MadeCert[];
  /** The content of the file `server.ingress_ca`; the key is not set if this is absent. */
  readonly ingressCa?: string;
  /** The content of the file of learnt CAs. */
  readonly learnt?: string;
  /** The files in {@linkcode CA_DIRECTORY} by name. */
  readonly caFiles?: Readonly<Record<string, string>>;
  readonly files?: Partial<System["files"]>;
}

function systemFor({ listed = [], caFiles = {}, files = {} }: TlsIngressOptions): Partial<System> {
  const { files: real } = realSystem();
  return {
    listedCas: listed.map(({ sha256, certificate: { subject } }) => ({ sha256, subject })),
    files: {
      ...real,
      listDirectory: (path) =>
        path === CA_DIRECTORY ? Promise.resolve(Object.keys(caFiles)) : real.listDirectory(path),
      readGuarded: (path, options) =>
        path.startsWith(CA_DIRECTORY)
          ? Promise.resolve(caFiles[path.slice(CA_DIRECTORY.length + 1)]!)
          : real.readGuarded(path, options),
      ...files,
    },
  };
}
