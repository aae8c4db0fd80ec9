import assert from "node:assert/strict";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";
import { shell } from "../root/commands.ts";
import { ClientStage, type Mode } from "./client_stage.ts";
import { clientTests } from "./client_tests.ts";
import { RealServer } from "./real_server.ts";

const test = clientTests(import.meta.url, {
  name: "mariadb",
  programs: { mariadb: "mariadb-client", mariadbd: "mariadb-server" },
});

/** Starts a MariaDB server with its data in this directory. Everybody is trusted. */
async function startMariadb(directory: string): Promise<RealServer> {
  await shell(`
    mariadb-install-db --no-defaults --datadir=${directory}/data --skip-test-db --user=root >&2
  `);
  return await RealServer.start((port) => [
    ...["mariadbd", "--no-defaults", "--user=root", `--datadir=${directory}/data`, `--port=${port}`],
    ...["--bind-address=127.0.0.1", `--socket=${directory}/socket`, "--skip-grant-tables"],
  ]);
}

function mariadb(host: string): string[] {
  return ["mariadb", "--no-defaults", "-N", "-h", host, "-P", "3306", "-u", "root", "-e", "select 6 * 7"];
}

for (const mode of ["virtual", "network"] satisfies Mode[]) {
  test(mode, "queries through a tcp endpoint", async () => {
    await using directory = await temporaryDirectory();
    await using server = await startMariadb(directory.path);
    await using daemon = await ClientStage.open({
      mode,
      endpoints: { "tcp://db.example.com:3306": server.backend },
    });
    assert.equal((await daemon.succeeds(mariadb("db.example.com"))).trim(), "42");
  });
}

test("network", "is closed after 5 s on a shared tls port; the log says why", async () => {
  await using daemon = await ClientStage.open({
    mode: "network",
    endpoints: { "tls://db.example.com:3306": "tls" },
  });
  const start = performance.now();
  const { code, stderr } = await daemon.run(mariadb("db.example.com"));
  const ms = performance.now() - start;
  assert.equal(code, 1);
  assert.match(stderr, /Lost connection to server at 'handshake: reading initial communication packet'/);
  assert.ok(ms > 4_900 && ms < 15_000, `${ms} ms`);
  const line =
    /on 0\.0\.0\.0:3306: .* such as MySQL, MariaDB, .* hint="Give the endpoint a port of its own: a tcp endpoint/;
  await daemon.stage.until("the log has the reason", () => daemon.stage.log.some((text) => line.test(text)));
});
