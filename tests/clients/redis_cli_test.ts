import assert from "node:assert/strict";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";
import { TestCa } from "../fakes/test_ca.ts";
import { ClientStage, type Mode } from "./client_stage.ts";
import { clientTests } from "./client_tests.ts";
import { RealServer } from "./real_server.ts";

const test = clientTests(import.meta.url, {
  name: "redis-cli",
  programs: { "redis-cli": "redis-tools", "redis-server": "redis-server" },
});

function startRedis(more: (port: number) => readonly string[]): Promise<RealServer> {
  return RealServer.start((port) => [
    ...["redis-server", "--save", "", "--bind", "127.0.0.1", "--daemonize", "no"],
    ...more(port),
  ]);
}

for (const mode of ["virtual", "network"] satisfies Mode[]) {
  test(mode, "reads and writes through a tcp endpoint", async () => {
    await using server = await startRedis((port) => ["--port", `${port}`]);
    await using daemon = await ClientStage.open({
      mode,
      endpoints: { "tcp://cache.example.com:6379": server.backend },
    });
    const cli = ["redis-cli", "-h", "cache.example.com"];
    assert.equal(await daemon.succeeds([...cli, "SET", "key", "value"]), "OK\n");
    assert.equal(await daemon.succeeds([...cli, "GET", "key"]), "value\n");
  });
}

test("network", "reaches the server that --tls --sni names on a shared tls port", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  const ca = await TestCa.create();
  const { cert, key } = await ca.pair({ names: ["*.example.com"] });
  await Deno.writeTextFile(`${path}/cert.pem`, cert);
  await Deno.writeTextFile(`${path}/key.pem`, key);
  await Deno.writeTextFile(`${path}/ca.pem`, ca.pem);
  const start = () =>
    startRedis((port) => [
      ...["--port", "0", "--tls-port", `${port}`, "--tls-auth-clients", "no"],
      ...["--tls-cert-file", `${path}/cert.pem`, "--tls-key-file", `${path}/key.pem`],
      ...["--tls-ca-cert-file", `${path}/ca.pem`],
    ]);
  await using one = await start();
  await using two = await start();
  await using daemon = await ClientStage.open({
    mode: "network",
    endpoints: { "tls://one.example.com:6379": one.backend, "tls://two.example.com:6379": two.backend },
  });
  const cli = (name: string, ...more: string[]) => [
    ...["redis-cli", "-h", `${name}.example.com`, "--tls", "--cacert", `${path}/ca.pem`],
    ...more,
  ];
  for (const name of ["one", "two"]) {
    const sni = ["--sni", `${name}.example.com`];
    assert.equal(await daemon.succeeds(cli(name, ...sni, "SET", "name", name)), "OK\n");
    assert.equal(await daemon.succeeds(cli(name, ...sni, "GET", "name")), `${name}\n`);
  }
  const nameless = await daemon.run(cli("one", "PING"));
  assert.match(nameless.stderr, /unrecognized name/);
  const plain = await daemon.run(["redis-cli", "-h", "one.example.com", "PING"]);
  assert.match(plain.stdout + plain.stderr, /Error: /);
  for (const protocol of ["TLS without a server name (SNI)", "Redis without TLS"]) {
    const line = `Cannot route a connection on 0.0.0.0:6379: it names no endpoint; it looks like ${protocol}`;
    await daemon.stage.until(line, () => daemon.stage.log.some((text) => text.includes(line)));
  }
});
