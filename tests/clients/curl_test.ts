import assert from "node:assert/strict";
import { ClientStage, type Mode } from "./client_stage.ts";
import { clientTests } from "./client_tests.ts";
import { NginxServer } from "./nginx_server.ts";
import { WEB_NAMES, WebStage } from "./web_stage.ts";

const test = clientTests(import.meta.url, { name: "curl", programs: { curl: "curl", nginx: "nginx-light" } });

const H2 = ["curl", "-sS", "--http2-prior-knowledge"];
const LARGE = [
  "curl",
  "-sS",
  ...Array.from({ length: 300 }, (_, index) => ["-H", `X-${index}: y`]).flat(),
  "-H",
  `Cookie: ${"c".repeat(60 * 1024)}`,
];

for (const mode of ["virtual", "network"] satisfies Mode[]) {
  test(mode, "reaches http and tls endpoints by name", async () => {
    await using daemon = await ClientStage.open({
      mode,
      endpoints: {
        "http://a.example.com": "http",
        "http://b.example.com": "http",
        "tls://c.example.com": "tls",
      },
    });
    for (const url of ["http://a.example.com", "http://b.example.com", "https://c.example.com"]) {
      const text = await daemon.succeeds(["curl", "-sS", "--cacert", daemon.caPath, url]);
      assert.ok(text.includes(new URL(url).hostname), text);
    }
  });

  test(mode, "speaks HTTP/2 without TLS to an endpoint with a port of its own", async () => {
    await using server = await NginxServer.start((port) =>
      `server { listen 127.0.0.1:${port} http2; return 200 $server_protocol; }`
    );
    await using daemon = await ClientStage.open({
      mode,
      endpoints: { "http://a.example.com:8080": server.backend },
    });
    const answer = await daemon.succeeds([...H2, "http://a.example.com:8080"]);
    assert.equal(answer, "HTTP/2.0");
  });

  test(mode, "sends 300 fields and 60 KiB to an endpoint with a port of its own", async () => {
    await using daemon = await ClientStage.open({ mode, endpoints: { "http://a.example.com": "http" } });
    const answer = await daemon.succeeds([...LARGE, "http://a.example.com"]);
    assert.match(answer, /"x-299":"y","cookie":"c{61440}"/);
  });
}

test("virtual", "SIGTERM lets a download end, and closes an idle keep-alive connection", async () => {
  const finish = Promise.withResolvers<void>();
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    if (new URL(request.url).pathname === "/idle") return new Response("idle");
    const parts = async function* () {
      yield new TextEncoder().encode("first ");
      await finish.promise;
      yield new TextEncoder().encode("last");
    };
    return new Response(ReadableStream.from(parts()));
  });
  const url = "http://a.example.com";
  await using daemon = await ClientStage.open({
    mode: "virtual",
    endpoints: { [url]: { forward: `127.0.0.1:${server.addr.port}` } },
  });
  const { stage } = daemon;
  // The second transfer begins 30 s after the first, on the same connection.
  const idle = daemon.run(["timeout", "6", "curl", "-sS", "--rate", "2/m", `${url}/idle`, `${url}/idle`]);
  const busy = daemon.run(["curl", "-sSN", `${url}/busy`]);
  await stage.until("both have answers", async () => {
    const [row] = await stage.askList();
    return row!.open_connections === 2 && row!.bytes_out > 200;
  });
  const startedAt = performance.now();
  const stopped = stage.stopDaemon("SIGTERM");
  await stage.until(
    "it waits for the download",
    () => stage.log.some((line) => line.includes("Waiting for")),
  );
  finish.resolve();
  assert.equal((await busy).stdout, "first last");
  assert.equal(await stopped, 0);
  assert.ok(performance.now() - startedAt < 5000, "the idle connection ends at once");
  assert.match(stage.log.join("\n"), /ngrokd has stopped drained=true clean=true/);
  assert.equal((await idle).stdout, "idle");
});

test("network", "shows why a port that several endpoints share refuses HTTP/2 or 300 fields", async () => {
  await using daemon = await ClientStage.open({
    mode: "network",
    endpoints: { "http://a.example.com": "http", "http://b.example.com": "http" },
  });
  const h2 = await daemon.succeeds([...H2, "-i", "http://a.example.com"]);
  assert.match(h2, /^HTTP\/2 421 [^]*ngrokd cannot route HTTP\/2 without TLS[^]*ngrokctl list/);
  const large = await daemon.succeeds([...LARGE, "http://a.example.com"]);
  assert.match(large, /^ngrokd: 431 [^]*more than 200 header fields/);
});

test("network", "sends requests for several hosts over one connection as to a proxy", async () => {
  await using web = await WebStage.open("network");
  const urls = [...WEB_NAMES, ...WEB_NAMES].map((name) => `http://${name}/`);
  const format = "%{response_code} %{num_connects}\n";
  const printed = await web.daemon.succeeds([
    "curl",
    "-sS",
    "-x",
    "http://127.0.0.1:80",
    "-w",
    format,
    ...urls,
  ]);
  const [A, B] = WEB_NAMES;
  assert.equal(printed, `${A} ${A}\n200 1\n${B} ${B}\n200 0\n${A} ${A}\n200 0\n${B} ${B}\n200 0\n`);
});

test("network", "gets HTTP/1.1 if it asks for h2c on a shared port", async () => {
  await using web = await WebStage.open("network");
  const urls = WEB_NAMES.map((name) => `http://${name}/`);
  const printed = await web.daemon.succeeds(["curl", "-sS", "--http2", "-w", "%{http_version}\n", ...urls]);
  assert.equal(printed, WEB_NAMES.map((name) => `${name} ${name}\n1.1\n`).join(""));
});
