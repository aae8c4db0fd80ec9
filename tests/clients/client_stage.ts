import assert from "node:assert/strict";
import type { Backend } from "../../sim/cloud/state/endpoints.ts";
import { type Printed, Stage, type StageOptions } from "../../sim/stage.ts";
import { FakeUpstream } from "../dns/fake_upstream.ts";
import { replyTo } from "../dns/messages.ts";
import { runProgram } from "../root/commands.ts";

/** The listen mode that most users of a client have. */
export type Mode = "virtual" | "network";

const CLIENT_LIMIT_SECONDS = 20;
const ENDPOINTS_LIMIT_MS = 30_000;

/**
 * The daemon as shipped, on a machine of its own, with endpoints in front of real servers, and the
 * client on the same machine. Other names than those of the endpoints are 192.0.2.1.
 */
export class ClientStage implements AsyncDisposable {
  readonly stage: Stage;
  readonly #upstream: FakeUpstream;

  constructor(stage: Stage, upstream: FakeUpstream) {
    this.stage = stage;
    this.#upstream = upstream;
  }

  /** Starts the daemon and waits until all endpoints are active. */
  static async open(options: ClientStageOptions): Promise<ClientStage> {
    const { mode, endpoints, net = "", dns = "", ...rest } = options;
    const upstream = new FakeUpstream((request) => [replyTo(request, { addresses: ["192.0.2.1"] })]);
    const stage = await Stage.open({
      ...rest,
      shipped: true,
      pollSeconds: 1,
      dns: `upstream: ["127.0.0.1:${upstream.port}"]\n${dns}`,
      net: `listen_interface: ${mode === "network" ? "0.0.0.0" : "virtual"}\n${net}`,
    });
    const opened = new ClientStage(stage, upstream);
    try {
      for (const [url, backend] of Object.entries(endpoints)) stage.cloud.addEndpoint({ url, backend });
      await Deno.writeTextFile(opened.caPath, stage.cloud.caPem);
      stage.startDaemon();
      await opened.#untilActive(Object.keys(endpoints));
      return opened;
    } catch (error) {
      await opened[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A file with the CA of the certificates that `tls` backends of the simulated cloud show. */
  get caPath(): string {
    return `${this.stage.directory}/endpoints_ca.pem`;
  }

  /** Runs a client, for 20 s at most. */
  run(argv: readonly string[], input = ""): Promise<Printed> {
    return runProgram(["timeout", "--kill-after=1", `${CLIENT_LIMIT_SECONDS}`, ...argv], input);
  }

  /** Runs a client and returns what it prints. Demands that it ends with exit code 0. */
  async succeeds(argv: readonly string[], input = ""): Promise<string> {
    const { code, stdout, stderr } = await this.run(argv, input);
    assert.equal(code, 0, `${argv.join(" ")}: ${stdout}${stderr}\n${this.stage.log.slice(-20).join("\n")}`);
    return stdout;
  }

  async #untilActive(urls: readonly string[]): Promise<void> {
    const { stage } = this;
    const count = urls.length;
    const isReady = async () => {
      const rows = await stage.askList();
      return rows.length === count && rows.every(({ state }) => state === "active");
    };
    await stage.until("the control socket is there", () => isReady().then(() => true, () => false));
    await stage.until("all endpoints are active", isReady, ENDPOINTS_LIMIT_MS);
    // The resolver of this machine learns the names after the endpoints are active.
    const [name] = urls.map((url) => new URL(url).hostname).filter((name) => !name.startsWith("*"));
    const resolves = async () => (await this.run(["getent", "hosts", name!])).code === 0;
    if (name !== undefined) await stage.until(`${name} resolves`, resolves);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stage[Symbol.asyncDispose]();
    await this.#upstream[Symbol.asyncDispose]();
  }
}

/** The parts of a {@linkcode ClientStage} that differ between tests. */
export interface ClientStageOptions extends Omit<StageOptions, "net" | "shipped" | "pollSeconds"> {
  readonly mode: Mode;
  /** The server behind each URL: one of the simulated cloud's, or `{forward: "127.0.0.1:PORT"}`. */
  readonly endpoints: Readonly<Record<string, Backend>>;
  /** Further lines for the section `net:`. */
  readonly net?: string;
}
