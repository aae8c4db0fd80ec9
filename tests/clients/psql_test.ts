import assert from "node:assert/strict";
import { TestCa } from "../fakes/test_ca.ts";
import { tlsFront } from "../fakes/tls_front.ts";
import { ClientStage, type Mode } from "./client_stage.ts";
import { clientTests } from "./client_tests.ts";
import { PostgresServer } from "./postgres_server.ts";

const test = clientTests(import.meta.url, {
  name: "psql",
  programs: { psql: "postgresql-client", setpriv: "util-linux", pg_createcluster: "postgresql" },
});

const QUERY = "select 6 * 7, ssl from pg_stat_ssl where pid = pg_backend_pid()";

function psql(host: string, more: string): string[] {
  return ["psql", "-XAtc", QUERY, `host=${host} user=postgres dbname=postgres connect_timeout=10 ${more}`];
}

for (const mode of ["virtual", "network"] satisfies Mode[]) {
  test(mode, "queries through a tcp endpoint, with TLS and without", async () => {
    await using server = await PostgresServer.start("db.example.com");
    await using daemon = await ClientStage.open({
      mode,
      endpoints: { "tcp://db.example.com:5432": server.backend },
    });
    for (const [sslmode, answer] of [["disable", "42|f"], ["prefer", "42|t"], ["require", "42|t"]] as const) {
      const printed = await daemon.succeeds(psql("db.example.com", `sslmode=${sslmode}`));
      assert.equal(printed.trim(), answer);
    }
  });
}

test("network", "queries by TLS through one tls port that two servers share", async () => {
  await using one = await PostgresServer.start("one.example.com");
  await using two = await PostgresServer.start("two.example.com");
  await using daemon = await ClientStage.open({
    mode: "network",
    endpoints: {
      "tls://one.example.com:5432": one.backend,
      "tls://two.example.com:5432": two.backend,
    },
  });
  const { directory } = daemon.stage;
  for (const [name, server] of [["one.example.com", one], ["two.example.com", two]] as const) {
    await Deno.writeTextFile(`${directory}/${name}.pem`, server.caPem);
    const verify = `sslmode=verify-full sslrootcert=${directory}/${name}.pem`;
    for (const more of [verify, "sslmode=require gssencmode=disable", "sslmode=prefer"]) {
      assert.equal((await daemon.succeeds(psql(name, more))).trim(), "42|t");
    }
  }
});

test("virtual", "queries by TLS below a tls wildcard", async () => {
  await using server = await PostgresServer.start("one.db.example.com");
  await using daemon = await ClientStage.open({
    mode: "virtual",
    endpoints: { "tls://*.db.example.com:5432": server.backend },
  });
  const [row] = await daemon.stage.askList();
  const printed = await daemon.succeeds(psql("one.db.example.com", `hostaddr=${row!.ip} sslmode=require`));
  assert.equal(printed.trim(), "42|t");
});

test("network", "is refused with the reason without TLS or a server name", async () => {
  await using daemon = await ClientStage.open({
    mode: "network",
    endpoints: { "tls://db.example.com:5432": "tls" },
  });
  const plain = await daemon.run(psql("db.example.com", "sslmode=disable"));
  assert.match(
    plain.stderr,
    /FATAL: {2}ngrokd needs the server name \(SNI\) of a TLS handshake.*\n.*Connect with sslmode=require/,
  );
  const nameless = await daemon.run(psql("db.example.com", "sslmode=require sslsni=0"));
  assert.match(nameless.stderr, /unrecognized name/);
  for (const protocol of ["PostgreSQL without TLS", "TLS without a server name"]) {
    const line = `Cannot route a connection on 0.0.0.0:5432: it names no endpoint; it looks like ${protocol}`;
    await daemon.stage.until(line, () => daemon.stage.log.some((text) => text.includes(line)));
  }
});

test("network", "queries a server that begins with TLS, on a shared tls port", async () => {
  await using server = await PostgresServer.start("db.example.com");
  const ca = await TestCa.create();
  await using front = tlsFront(server.port, await ca.pair({ names: ["db.example.com"] }));
  await using daemon = await ClientStage.open({
    mode: "network",
    endpoints: { "tls://db.example.com:5432": { forward: `127.0.0.1:${front.port}` } },
  });
  const root = `${daemon.stage.directory}/root.pem`;
  await Deno.writeTextFile(root, ca.pem);
  const printed = await daemon.succeeds(psql("db.example.com", `sslmode=verify-full sslrootcert=${root}`));
  assert.equal(printed.trim(), "42|f");
});
