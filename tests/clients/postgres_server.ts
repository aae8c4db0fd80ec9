import { TestCa } from "../fakes/test_ca.ts";
import { shell } from "../root/commands.ts";
import { RealServer } from "./real_server.ts";

const CLUSTER = "/tmp/ngrokd-postgres-XXXXXX";

/** A PostgreSQL server with TLS, whose databases live as long as the server. */
export class PostgresServer implements AsyncDisposable {
  /** The CA of its certificate, PEM. */
  readonly caPem: string;
  readonly #server: RealServer;
  readonly #directory: string;

  constructor(server: RealServer, { caPem, directory }: { caPem: string; directory: string }) {
    this.#server = server;
    this.caPem = caPem;
    this.#directory = directory;
  }

  /** Starts a server whose certificate is for this name. Everybody is trusted. */
  static async start(name: string): Promise<PostgresServer> {
    const [bin, directory] = (await shell(`
      ls -d /usr/lib/postgresql/*/bin | sort --version-sort | tail -n 1
      mktemp -d ${CLUSTER}
    `)).trim().split("\n") as [string, string];
    const ca = await TestCa.create();
    const { cert, key } = await ca.pair({ names: [name] });
    await Deno.writeTextFile(`${directory}/server.crt`, cert);
    await Deno.writeTextFile(`${directory}/server.key`, key, { mode: 0o600 });
    await shell(`
      chown -R postgres: ${directory}
      cd ${directory}
      setpriv --reuid=postgres --regid=postgres --clear-groups \
        ${bin}/initdb --no-sync --auth=trust --username=postgres --pgdata=${directory}/data >&2
    `);
    const server = await RealServer.start((port) => [
      ..."setpriv --reuid=postgres --regid=postgres --clear-groups --".split(" "),
      `${bin}/postgres`,
      ...["-D", `${directory}/data`, "-k", directory, "-h", "127.0.0.1", "-p", `${port}`],
      ...["-c", "ssl=on", "-c", `ssl_cert_file=${directory}/server.crt`],
      ...["-c", `ssl_key_file=${directory}/server.key`, "-c", "fsync=off"],
    ]);
    return new PostgresServer(server, { caPem: ca.pem, directory });
  }

  get backend(): { readonly forward: string } {
    return this.#server.backend;
  }

  get port(): number {
    return this.#server.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
    await Deno.remove(this.#directory, { recursive: true });
  }
}
