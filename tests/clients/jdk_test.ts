import assert from "node:assert/strict";
import { clientTests } from "./client_tests.ts";
import { besideThis, WEB_NAMES, WebStage } from "./web_stage.ts";

const test = clientTests(import.meta.url, {
  name: "JDK HttpClient",
  programs: { java: "default-jdk-headless", javac: "default-jdk-headless", node: "nodejs" },
});

const [A, B] = WEB_NAMES;

// Its pool keeps connections by address, and it sends WebSockets on connections from the pool.
for (const version of ["HTTP_1_1", "HTTP_2"]) {
  test("network", `reuses one connection for several hosts, ${version}`, async () => {
    await using web = await WebStage.open("network");
    const urls = [`http://${A}/`, `http://${B}/`, `ws://${B}/`, `http://${A}/`, `ws://${A}/`, `http://${B}/`];
    const printed = await web.daemon.succeeds(["java", besideThis("Requests.java"), version, ...urls]);
    assert.deepEqual(printed.trim().split("\n"), [
      `200 ${A} ${A}`,
      `200 ${B} ${B}`,
      `hello ${B}`,
      `200 ${A} ${A}`,
      `hello ${A}`,
      `200 ${B} ${B}`,
    ]);
  });
}
