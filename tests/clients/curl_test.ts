import assert from "node:assert/strict";
import { ClientStage, type Mode } from "./client_stage.ts";
import { clientTests } from "./client_tests.ts";

const test = clientTests(import.meta.url, { name: "curl", programs: { curl: "curl" } });

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
}
