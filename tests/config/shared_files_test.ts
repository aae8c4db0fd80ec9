import assert from "node:assert/strict";
import { DEFAULTS } from "../../src/config/config.ts";
import { parseConfig } from "../../src/config/schema.ts";
import { sharedFiles } from "../../src/config/shared_files.ts";
import { ConfigError } from "../../src/model/errors.ts";

const PATH = "/etc/ngrokd/config.yml";

Deno.test("sharedFiles() accepts the defaults with the default configuration file", () => {
  assert.deepEqual(sharedFiles(DEFAULTS, PATH), []);
});

// `client_key: /etc/ngrokd/config.yml` replaced the configuration by a private key.
for (
  const [name, server, problem] of [
    [
      "the configuration",
      { client_key: PATH },
      "server.client_key: it is the same file as the configuration",
    ],
    [
      "the configuration in another spelling",
      { client_cert: "/etc/ngrokd/../ngrokd/./config.yml" },
      "server.client_cert: it is the same file as the configuration",
    ],
    ["the certificate", { client_key: "/etc/ngrokd/tls.crt" }, "the same file as server.client_cert"],
    ["a state file", { client_key: "/etc/ngrokd/journal.json" }, "the same file as journal.json"],
    ["the learnt CA", { ingress_ca: "/etc/ngrokd/ingress_ca.pem" }, "the same file as ingress_ca.pem"],
    [
      "a state file beside another certificate",
      { client_cert: "/srv/a.crt", client_key: "/srv/operator_id" },
      "server.client_key: it is the same file as operator_id",
    ],
    [
      "the key",
      { ingress_ca: "/etc/ngrokd/tls.key" },
      "server.ingress_ca: it is the same file as server.client_key",
    ],
    ["a socket", { socket_path: "/etc/ngrokd/tls.key" }, "server.socket_path: it is the same file as"],
  ] as const
) {
  Deno.test(`parseConfig() refuses a path that is also that of ${name}`, () => {
    assert.throws(
      () => parseConfig({ server }, { path: PATH }),
      (error) => error instanceof ConfigError && error.message.includes(problem),
    );
  });
}
