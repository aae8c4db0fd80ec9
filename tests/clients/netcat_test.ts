import assert from "node:assert/strict";
import { ClientStage, type Mode } from "./client_stage.ts";
import { clientTests } from "./client_tests.ts";

const test = clientTests(import.meta.url, { name: "netcat", programs: { nc: "netcat-openbsd" } });

for (const mode of ["virtual", "network"] satisfies Mode[]) {
  test(mode, "gets an answer to a request that is typed with LF at the end of each line", async () => {
    await using daemon = await ClientStage.open({ mode, endpoints: { "http://a.example.com": "http" } });
    const typed = "\nGET  / HTTP/1.1 \nHost: a.example.com\nConnection: close\n\n";
    const answer = await daemon.succeeds(["nc", "-w", "5", "a.example.com", "80"], typed);
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
  });

  // The bytes of Ä, ß and † from 0x80 to 0x9F once became other ones, as a space in the target.
  test(mode, "sends a target and a value in UTF-8 with LF at the end of each line", async () => {
    await using daemon = await ClientStage.open({ mode, endpoints: { "http://a.example.com": "echo" } });
    const typed = "GET /Äß† HTTP/1.1\nHost: a.example.com\nX: Äß†\n\n";
    const echoed = await daemon.succeeds(["nc", "-N", "-w", "5", "a.example.com", "80"], typed);
    assert.equal(echoed, typed.replaceAll("\n", "\r\n"));
  });
}
