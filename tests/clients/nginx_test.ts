import assert from "node:assert/strict";
import { ClientStage, type Mode } from "./client_stage.ts";
import { clientTests } from "./client_tests.ts";
import { NginxServer } from "./nginx_server.ts";

const test = clientTests(import.meta.url, {
  name: "nginx",
  programs: { nginx: "nginx-light", curl: "curl" },
});

const HOST = "a.example.com";
const COOKIE = `Cookie: ${"c".repeat(60 * 1024)}`;

for (const mode of ["virtual", "network"] satisfies Mode[]) {
  test(mode, "keeps connections open from in front, and takes cookies of 60 KiB behind", async () => {
    await using server = await NginxServer.start((port) =>
      `server { listen 127.0.0.1:${port}; return 200 "$connection_requests $request_length"; }`
    );
    await using daemon = await ClientStage.open({
      mode,
      endpoints: { [`http://${HOST}`]: server.backend, "http://b.example.com:8081": "http" },
    });
    await using proxy = await NginxServer.start((port) => `
      upstream endpoint { server ${HOST}:80; keepalive 1; }
      server {
        listen 127.0.0.1:${port};
        location / {
          proxy_pass http://endpoint;
          proxy_http_version 1.1;
          proxy_set_header Host ${HOST};
          proxy_set_header Connection "";
        }
      }`);
    const url = `http://127.0.0.1:${proxy.port}/`;
    const answers = [];
    for (const fields of [[], ["-H", COOKIE], ["-d", "hello"], ["-H", COOKIE]]) {
      answers.push(await daemon.succeeds(["curl", "-sS", ...fields, url]));
    }
    assert.deepEqual(answers.map((answer) => answer.split(" ")[0]), ["1", "2", "3", "4"]);
    for (const large of [answers[1], answers[3]]) {
      assert.ok(Number(large!.split(" ")[1]) > COOKIE.length, large);
    }
  });
}
