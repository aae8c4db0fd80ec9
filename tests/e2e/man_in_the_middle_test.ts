import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";
import { type ChainServer, presentChain } from "../fakes/chain_server.ts";
import { type MadeCert, makeCert } from "../fakes/test_ca.ts";

const SUBJECT = "CN=Ingress CA, O=Cloud";
const names = ["localhost"];
const ca = await makeCert({ subject: SUBJECT, isCa: true });
const stranger = await makeCert({ subject: "CN=Stranger CA", isCa: true });
const lookAlike = await makeCert({ subject: SUBJECT, isCa: true });
// Stands for a public CA: the runtime has it among its own.
const publicCa = await makeCert({ subject: "CN=Public CA", isCa: true });

interface Attack {
  readonly what: string;
  readonly chain: readonly MadeCert[];
  /** What status says of it, and the next step. */
  readonly error: string;
  readonly hint: RegExp;
}

const TRUSTED =
  /^Compare what it presents with what is trusted: ngrokctl trust show; its CA is trusted, so look at ingressEndpoint, this machine's clock, and who answers there$/;
const UNTRUSTED =
  /^Compare what it presents with what is trusted: ngrokctl trust show; only if whoever runs that CA confirms its fingerprint, give its file in server\.ingress_ca$/;

const ATTACKS: readonly Attack[] = [
  {
    what: "another CA",
    chain: [await makeCert({ subject: "CN=x", issuer: stranger, names }), stranger],
    error: `is signed by "CN=Stranger CA" (SHA-256 ${stranger.sha256}), which is not trusted`,
    hint: UNTRUSTED,
  },
  {
    what: "the right CA and another name",
    chain: [await makeCert({ subject: "CN=x", issuer: ca, names: ["other.example"] }), ca],
    error: "is for other.example, not for localhost",
    hint: TRUSTED,
  },
  {
    what: "an expired certificate",
    chain: [await makeCert({ subject: "CN=x", issuer: ca, names, fromHours: -3, untilHours: -2 }), ca],
    error: "expired on ",
    hint: TRUSTED,
  },
  {
    what: "a CA of the same subject",
    chain: [await makeCert({ subject: "CN=x", issuer: lookAlike, names }), lookAlike],
    error:
      `is signed by a CA "${SUBJECT}" (SHA-256 ${lookAlike.sha256}) that has the name of the trusted CA ` +
      `with SHA-256 ${ca.sha256}, but another key`,
    hint: UNTRUSTED,
  },
  {
    what: "a public CA and another name",
    chain: [await makeCert({ subject: "CN=x", issuer: publicCa, names: ["other.example"] })],
    error: "is for other.example, not for localhost",
    hint: TRUSTED,
  },
];

/** Makes the server the ingress of a daemon that runs. */
async function turnTo(server: ChainServer, stage: Stage): Promise<void> {
  const text = await Deno.readTextFile(stage.configPath);
  await Deno.writeTextFile(
    stage.configPath,
    text.replace(/^ingressEndpoint: .*$/m, `ingressEndpoint: localhost:${server.port}`),
  );
  const where = `localhost:${server.port}`;
  await stage.until("it dials there", async () => (await stage.askStatus()).ingress_endpoint === where);
}

/** What a client gets back that sends something. */
async function use(listen: string): Promise<number> {
  const [hostname = "", port = ""] = listen.split(":");
  using conn = await Deno.connect({ hostname, port: Number(port) });
  await conn.write(new TextEncoder().encode("the payload of the client"));
  return await conn.read(new Uint8Array(1)).catch(() => null) ?? 0;
}

Deno.test("five men in the middle are refused by the daemon as shipped, each in its own words and with the next step, and get no byte (F60)", async () => {
  const directory = await Deno.makeTempDir();
  await Deno.writeTextFile(`${directory}/public.pem`, publicCa.pem);
  try {
    await using stage = await Stage.open({
      ingressCa: ca.pem,
      sections: "net:\n  subnet: 127.162.0.0/16",
      environment: { DENO_CERT: `${directory}/public.pem` },
    });
    stage.cloud.addEndpoint({ url: "tcp://db.attacked:7463", backend: "echo" });
    stage.startDaemon();
    const [row] = await stage.settled(1);
    for (const { what, chain, error, hint } of ATTACKS) {
      await using attacker = await presentChain(chain);
      await turnTo(attacker, stage);
      assert.equal(await use(row!.listen_address), 0, what);
      const { ingress } = await stage.askStatus();
      const start = `Cannot connect to localhost:${attacker.port}: the ingress's certificate ${error}`;
      assert.ok(ingress.error!.startsWith(start), `${what}: ${ingress.error}`);
      if (!error.endsWith(" ")) assert.equal(ingress.error, start, what);
      assert.match(ingress.hint!, hint, what);
      const { code, stdout } = await stage.ctl(["status"]);
      assert.ok(stdout.includes(`⚠ Ingress: ${start}`) && stdout.includes(ingress.hint!), stdout);
      assert.equal(code, 0);
      const shown = await stage.ctl(["trust", "show"]);
      assert.ok(shown.stdout.includes(ca.sha256) && shown.stdout.includes(chain[0]!.sha256), shown.stdout);
      assert.deepEqual([attacker.received(), attacker.connections() > 0], [0, true], what);
    }
    // An honest one of the same public CA is let through: it is not that nothing works.
    await using honest = await presentChain([await makeCert({ subject: "CN=x", issuer: publicCa, names })]);
    await turnTo(honest, stage);
    await use(row!.listen_address);
    assert.ok(honest.received() > 0);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
