import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";
import { type ChainServer, presentChain } from "../fakes/chain_server.ts";
import { send } from "../fakes/memory_stream.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";
import { type MadeCert, makeCert } from "../fakes/test_ca.ts";
import { dial } from "./client.ts";

const SUBJECT = "CN=Ingress CA, O=Cloud";
const names = ["localhost"];
const ca = await makeCert({ subject: SUBJECT, isCa: true });
const stranger = await makeCert({ subject: "CN=Stranger CA", isCa: true });
const lookAlike = await makeCert({ subject: SUBJECT, isCa: true });
// Deno trusts this CA as it trusts public ones.
const publicCa = await makeCert({ subject: "CN=Public CA", isCa: true });

interface Attack {
  readonly name: string;
  readonly chain: readonly MadeCert[];
  /** The error and the hint in status. */
  readonly error: string;
  readonly hint: RegExp;
}

const TRUSTED =
  /^Compare what it presents with what is trusted: ngrokctl trust show; its CA is trusted, so check ingressEndpoint, this machine's clock, and which server answers$/;
const UNTRUSTED =
  /^Compare what it presents with what is trusted: ngrokctl trust show; set server\.ingress_ca to that CA only if its owner confirms the fingerprint$/;

const ATTACKS: readonly Attack[] = [
  {
    name: "another CA",
    chain: [await makeCert({ subject: "CN=x", issuer: stranger, names }), stranger],
    error: `is signed by "CN=Stranger CA" (SHA-256 ${stranger.sha256}), which is not trusted`,
    hint: UNTRUSTED,
  },
  {
    name: "the right CA and another name",
    chain: [await makeCert({ subject: "CN=x", issuer: ca, names: ["other.example"] }), ca],
    error: "is for other.example, not for localhost",
    hint: TRUSTED,
  },
  {
    name: "an expired certificate",
    chain: [await makeCert({ subject: "CN=x", issuer: ca, names, fromHours: -3, untilHours: -2 }), ca],
    error: "expired on ",
    hint: TRUSTED,
  },
  {
    name: "a CA of the same subject",
    chain: [await makeCert({ subject: "CN=x", issuer: lookAlike, names }), lookAlike],
    error:
      `is signed by a CA "${SUBJECT}" (SHA-256 ${lookAlike.sha256}) that has the name of the trusted CA ` +
      `with SHA-256 ${ca.sha256}, but another key`,
    hint: UNTRUSTED,
  },
  {
    name: "a public CA and another name",
    chain: [await makeCert({ subject: "CN=x", issuer: publicCa, names: ["other.example"] })],
    error: "is for other.example, not for localhost",
    hint: TRUSTED,
  },
];

Deno.test("the daemon refuses five men in the middle, reports each with its reason, and sends no byte (F60)", async () => {
  await using directory = await temporaryDirectory();
  const DENO_CERT = `${directory.path}/public.pem`;
  await Deno.writeTextFile(DENO_CERT, publicCa.pem);
  await using stage = await Stage.open({ ingressCa: ca.pem, environment: { DENO_CERT } });
  stage.cloud.addEndpoint({ url: "tcp://db.attacked:7463", backend: "echo" });
  stage.startDaemon();
  const [row] = await stage.settled(1);
  for (const { name, chain, error, hint } of ATTACKS) {
    await using attacker = await presentChain(chain);
    await useIngress(stage, attacker);
    assert.equal(await firstByte(row!.listen_address), 0, name);
    const { ingress } = await stage.askStatus();
    const start = `Cannot connect to localhost:${attacker.port}: the ingress's certificate ${error}`;
    assert.ok(ingress.error!.startsWith(start), `${name}: ${ingress.error}`);
    if (!error.endsWith(" ")) assert.equal(ingress.error, start, name);
    assert.match(ingress.hint!, hint, name);
    const { code, stdout } = await stage.ctl(["status"]);
    assert.ok(stdout.includes(`⚠ Ingress: ${start}`) && stdout.includes(ingress.hint!), stdout);
    // From the third failed connection on, the only endpoint is failing.
    assert.equal(code, stdout.startsWith("down: the ingress is not trusted; 1 endpoint failing") ? 1 : 0);
    const shown = await stage.ctl(["trust", "show"]);
    assert.ok(shown.stdout.includes(ca.sha256) && shown.stdout.includes(chain[0]!.sha256), shown.stdout);
    assert.deepEqual([attacker.received(), attacker.connections() > 0], [0, true], name);
  }
  // The daemon does send bytes to an honest ingress with a certificate of the public CA.
  await using honest = await presentChain([await makeCert({ subject: "CN=x", issuer: publicCa, names })]);
  await useIngress(stage, honest);
  await firstByte(row!.listen_address);
  assert.ok(honest.received() > 0);
});

/** Makes a running daemon dial this server as its ingress. */
async function useIngress(stage: Stage, { port }: ChainServer): Promise<void> {
  const ingress = `localhost:${port}`;
  await stage.editConfig(/^ingressEndpoint: .*$/m, `ingressEndpoint: ${ingress}`);
  await stage.until(
    "the ingress is in use",
    async () => (await stage.askStatus()).ingress_endpoint === ingress,
  );
}

/** The number of bytes, 0 or 1, that a client reads after it has sent something. */
async function firstByte(address: string): Promise<number> {
  using conn = await dial(address);
  await send(conn, "the payload of the client");
  return await conn.read(new Uint8Array(1)).catch(() => null) ?? 0;
}
