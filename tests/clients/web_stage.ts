import { ClientStage, type Mode } from "./client_stage.ts";
import { RealServer } from "./real_server.ts";

/** The names of the endpoints, which share one address in network mode. */
export const WEB_NAMES = ["a.example.com", "b.example.com"] as const;

/**
 * A {@linkcode ClientStage} with an http endpoint for each of {@linkcode WEB_NAMES}. Its server
 * answers with the name of the endpoint and the Host, and echoes WebSockets.
 */
export class WebStage implements AsyncDisposable {
  readonly daemon: ClientStage;
  readonly #servers: AsyncDisposableStack;

  constructor(daemon: ClientStage, servers: AsyncDisposableStack) {
    this.daemon = daemon;
    this.#servers = servers;
  }

  static async open(mode: Mode): Promise<WebStage> {
    await using servers = new AsyncDisposableStack();
    const endpoints: Record<string, RealServer["backend"]> = {};
    for (const name of WEB_NAMES) {
      const server = await RealServer.start((
        port,
      ) => ["node", besideThis("web_server.mjs"), name, `${port}`]);
      endpoints[`http://${name}`] = servers.use(server).backend;
    }
    const daemon = await ClientStage.open({ mode, endpoints });
    return new WebStage(daemon, servers.move());
  }

  /** Returns `address:port` of the first endpoint, as ngrokctl lists it. */
  async address(): Promise<string> {
    const rows = await this.daemon.stage.askList();
    return rows.find(({ hostname }) => hostname === WEB_NAMES[0])!.listen_address;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon[Symbol.asyncDispose]();
    await this.#servers[Symbol.asyncDispose]();
  }
}

/** Returns the path of a file in this folder. */
export function besideThis(name: string): string {
  return new URL(name, import.meta.url).pathname;
}
