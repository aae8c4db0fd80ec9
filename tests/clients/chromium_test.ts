import assert from "node:assert/strict";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";
import { TestCa } from "../fakes/test_ca.ts";
import { shell } from "../root/commands.ts";
import { Lan } from "../root/lan.ts";
import { ClientStage, type Mode } from "./client_stage.ts";
import { clientTests } from "./client_tests.ts";
import { RealServer } from "./real_server.ts";

const test = clientTests(import.meta.url, {
  name: "Chromium",
  programs: { chromium: "chromium", node: "nodejs", openssl: "openssl" },
});

const NAMES = ["a.apps.example.com", "b.apps.example.com"] as const;
const SERVER = new URL("h2_server.mjs", import.meta.url).pathname;

/**
 * Starts two endpoints with one wildcard certificate, opens the page of the first in Chromium, and
 * returns the name of the server that its request to the second one reached; with the stage.
 */
async function ask(mode: Mode, options: { net?: string; check?: (daemon: ClientStage) => Promise<void> }) {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  const { cert, key } = await (await TestCa.create()).pair({ names: ["*.apps.example.com"] });
  await Deno.writeTextFile(`${path}/cert.pem`, cert);
  await Deno.writeTextFile(`${path}/key.pem`, key);
  const start = (name: string) =>
    RealServer.start((port) => ["node", SERVER, `${port}`, name, `${path}/cert.pem`, `${path}/key.pem`]);
  await using a = await start("a");
  await using b = await start("b");
  await using daemon = await ClientStage.open({
    mode,
    endpoints: { [`tls://${NAMES[0]}`]: a.backend, [`tls://${NAMES[1]}`]: b.backend },
    ...(options.net === undefined ? {} : { net: options.net }),
  });
  const spki = await shell(`
    openssl x509 -in ${path}/cert.pem -noout -pubkey | openssl pkey -pubin -outform DER |
      openssl dgst -sha256 -binary | base64
  `);
  const dom = await daemon.succeeds([
    "chromium",
    ...["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
    `--user-data-dir=${path}/profile`,
    `--ignore-certificate-errors-spki-list=${spki.trim()}`,
    "--dump-dom",
    `https://${NAMES[0]}/#${NAMES[1]}`,
  ]);
  await options.check?.(daemon);
  return /This is (.*)\./.exec(dom)?.[1] ?? dom;
}

/** The reasons of both endpoints in `ngrokctl list`. */
async function reasons(daemon: ClientStage): Promise<string[]> {
  return (await daemon.stage.askList()).map(({ reason }) => reason);
}

test("network", "sends requests to the wrong endpoint if names share an address; list warns", async () => {
  const reached = await ask("network", {
    async check(daemon) {
      for (const [index, reason] of (await reasons(daemon)).entries()) {
        assert.ok(reason.startsWith(`shares port 443 with ${NAMES[1 - index]}: `), reason);
      }
      const { warnings } = await daemon.stage.askStatus();
      assert.match(warnings.join(), /^2 https and tls endpoints share their addresses/);
    },
  });
  assert.equal(reached, "a");
});

test("network", "sends each request to its endpoint with net.advertise_ips", async () => {
  const lan = new Lan();
  await lan.create(lan.cidr(1), lan.cidr(2));
  const reached = await ask("network", {
    net: `advertise_ips: [${lan.address(1)}, ${lan.address(2)}]`,
    async check(daemon) {
      const rows = await daemon.stage.askList();
      assert.deepEqual(rows.map(({ reason }) => reason), ["", ""]);
      const addresses = rows.map(({ listen_address }) => listen_address);
      assert.deepEqual(addresses, [`${lan.address(1)}:443`, `${lan.address(2)}:443`]);
    },
  });
  assert.equal(reached, "b");
});

test("virtual", "sends each request to its endpoint", async () => {
  const reached = await ask("virtual", {
    check: async (daemon) => assert.deepEqual(await reasons(daemon), ["", ""]),
  });
  assert.equal(reached, "b");
});
