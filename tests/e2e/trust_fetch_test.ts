import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";
import { makeCert } from "../fakes/test_ca.ts";

Deno.test("ngrokctl trust fetch --file reads standard input, opens no file and saves only known CAs", async () => {
  const other = await makeCert({ subject: "CN=Own CA", isCa: true });
  await using stage = await Stage.open();
  stage.startDaemon();
  await stage.until("it is registered", async () => (await stage.askStatus()).registered);
  const file = `${stage.directory}/own.crt`;
  await Deno.writeTextFile(file, other.pem);

  const opened = await stage.ctl(["trust", "fetch", "--file", file]);
  assert.deepEqual([opened.code, opened.stdout], [2, ""]);
  assert.equal(
    opened.stderr,
    `Error: Cannot read ${file}: ngrokctl runs without the permission to open files\n` +
      `Let the shell open the file: ngrokctl trust fetch --file - < ${file}\n`,
  );
  const given = await stage.ctl(["trust", "fetch", "--file", "-"], await Deno.readTextFile(file));
  assert.deepEqual([given.code, given.stdout], [1, ""]);
  assert.equal(
    given.stderr,
    `Error: Cannot use the CA "CN=Own CA" (SHA-256 ${other.sha256}): it is not a CA of ngrok that this version knows\n` +
      "A CA of your own goes in server.ingress_ca or /etc/ssl/certs/ngrok/\n",
  );
  await assert.rejects(Deno.stat(`${stage.etc}/ingress_ca.pem`), Deno.errors.NotFound);
  const help = await stage.ctl(["trust", "fetch", "--help"]);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /--file <-> +read it from standard input instead/);
  assert.match(help.stdout, /ngrokctl trust fetch --file - < ngrok-ca\.crt/);
});
