import { RealServer } from "./real_server.ts";

/** An nginx with one server, in front of ngrokd or behind it. */
export class NginxServer implements AsyncDisposable {
  readonly #server: RealServer;
  readonly #directory: string;

  constructor(server: RealServer, directory: string) {
    this.#server = server;
    this.#directory = directory;
  }

  /** Starts an nginx. @param http Returns the content of the section `http` for its port. */
  static async start(http: (port: number) => string): Promise<NginxServer> {
    const directory = await Deno.makeTempDir();
    const path = `${directory}/nginx.conf`;
    const server = await RealServer.start((port) => {
      const text = `daemon off; master_process off; pid ${directory}/pid; error_log stderr; events {}
        http { access_log off; large_client_header_buffers 4 128k; ${http(port)} }`;
      // The port is known only here.
      const script = `printf %s "$1" > "$2" && exec nginx -p "$3" -e stderr -c "$2"`;
      return ["/bin/sh", "-c", script, "sh", text, path, directory];
    });
    return new NginxServer(server, directory);
  }

  get port(): number {
    return this.#server.port;
  }

  /** The backend of an endpoint in front of this server. */
  get backend(): { readonly forward: string } {
    return this.#server.backend;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
    await Deno.remove(this.#directory, { recursive: true });
  }
}
