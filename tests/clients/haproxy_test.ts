import assert from "node:assert/strict";
import { clientTests } from "./client_tests.ts";
import { RealServer } from "./real_server.ts";
import { WEB_NAMES, WebStage } from "./web_stage.ts";

const test = clientTests(import.meta.url, {
  name: "HAProxy",
  programs: { haproxy: "haproxy", curl: "curl", node: "nodejs" },
});

const CONFIG = `global
  log stdout format raw local0
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server 20s
frontend front
  bind 127.0.0.1:PORT
  default_backend ngrokd
backend ngrokd
  http-reuse always
  server ngrokd 127.0.0.1:80
`;

test("network", "reuses its connections to the address for every host", async () => {
  await using web = await WebStage.open("network");
  const path = `${web.daemon.stage.directory}/haproxy.cfg`;
  await using proxy = await RealServer.start((port) => {
    Deno.writeTextFileSync(path, CONFIG.replace("PORT", `${port}`));
    return ["haproxy", "-db", "-q", "-f", path];
  });
  for (const name of [...WEB_NAMES, ...WEB_NAMES, ...WEB_NAMES]) {
    const url = `http://127.0.0.1:${proxy.port}/`;
    assert.equal(await web.daemon.succeeds(["curl", "-sS", "-H", `Host: ${name}`, url]), `${name} ${name}\n`);
  }
});
