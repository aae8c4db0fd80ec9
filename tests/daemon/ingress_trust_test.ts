import assert from "node:assert/strict";
import type { TrustReport } from "../../src/model/report.ts";
import { presentChain } from "../fakes/chain_server.ts";
import { type MadeCert, makeCert } from "../fakes/test_ca.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { withDaemon } from "../fakes/with_daemon.ts";

const CA_NAME = "CN=Intermediate CA, O=Test Inc";
const root = await makeCert({ subject: "CN=Root CA", isCa: true });
const ca = await makeCert({ subject: CA_NAME, issuer: root, isCa: true });
const stranger = await makeCert({ subject: "CN=Stranger CA", isCa: true });
const lookAlike = await makeCert({ subject: CA_NAME, issuer: root, isCa: true });
const names = ["localhost"];

/** A machine whose ingress presents this chain, and that may learn `listed`; it trusts no file. */
async function facing(port: number, listed: readonly MadeCert[] = [ca]): Promise<FakeMachine> {
  const machine = await FakeMachine.create({
    system: {
      listedCas: listed.map(({ sha256, certificate: { subject } }) => ({ sha256, subject })),
    },
  });
  const text = await Deno.readTextFile(machine.configPath);
  await Deno.writeTextFile(
    machine.configPath,
    text.replace(/^ingressEndpoint: .*$/m, `ingressEndpoint: localhost:${port}`).replace(
      /^ {2}ingress_ca: .*\n/m,
      "",
    ),
  );
  machine.cloud.addEndpoint({ url: "tcp://db.example:8396", backend: "echo" });
  return machine;
}

/** Connects to the endpoint, sends something, and waits for the end. */
async function use(machine: FakeMachine): Promise<void> {
  await machine.until("it listens", async () => (await machine.askList())[0]?.state === "active");
  const [address, port] = (await machine.askList())[0]!.listen_address.split(":");
  using conn = await Deno.connect({ hostname: address!, port: Number(port) });
  await conn.write(new TextEncoder().encode("the payload of the client"));
  await conn.read(new Uint8Array(1)).catch(() => {});
}

function learntFile(machine: FakeMachine): string {
  return `${machine.etc}/ingress_ca.pem`;
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

const ATTACKS: readonly {
  readonly what: string;
  readonly chain: () => Promise<readonly MadeCert[]>;
  readonly says: RegExp;
}[] = [
  {
    what: "of another CA",
    chain: async () => [await makeCert({ subject: "CN=x", issuer: stranger, names }), stranger],
    says: new RegExp(`is signed by "CN=Stranger CA" \\(SHA-256 ${stranger.sha256}\\), which is not trusted$`),
  },
  {
    what: "of another CA that does not come with it",
    chain: async () => [await makeCert({ subject: "CN=x", issuer: stranger, names })],
    says: /is signed by "CN=Stranger CA", which is not trusted and did not come with it$/,
  },
  {
    what: "for another name",
    chain: async () => [await makeCert({ subject: "CN=x", issuer: ca, names: ["other.example"] }), ca],
    says: /certificate is for other\.example, not for localhost$/,
  },
  {
    what: "that has expired",
    chain:
      async () => [await makeCert({ subject: "CN=x", issuer: ca, names, fromHours: -3, untilHours: -2 }), ca],
    says: /certificate expired on 20[0-9T:-]+Z$/,
  },
  {
    what: "that is not valid yet",
    chain: async () => [await makeCert({ subject: "CN=x", issuer: ca, names, fromHours: 2 }), ca],
    says: /certificate is not valid before 20[0-9T:-]+Z \(this machine's clock says 20[0-9T:-]+Z\)$/,
  },
  {
    what: "of a look-alike with the name of the listed CA",
    chain: async () => [await makeCert({ subject: "CN=x", issuer: lookAlike, names }), lookAlike],
    says: new RegExp(
      `signed by a CA "${CA_NAME}" \\(SHA-256 ${lookAlike.sha256}\\) that has the name of the trusted CA ` +
        `with SHA-256 ${ca.sha256}, but another key$`,
    ),
  },
  {
    what: "that has signed itself",
    chain: async () => [await makeCert({ subject: "CN=x", names })],
    says: /certificate is self-signed and not trusted: "CN=x" \(SHA-256 [0-9A-F:]{95}\)$/,
  },
  {
    what: "of a look-alike, with the listed CA beside it",
    chain: async () => [await makeCert({ subject: "CN=x", issuer: lookAlike, names }), ca],
    says: new RegExp(
      `carries .* trusted CA "${CA_NAME}" \\(SHA-256 ${ca.sha256}\\), but is not signed by its key$`,
    ),
  },
  {
    what: "of another CA, with the listed CA beside it",
    chain: async () => [await makeCert({ subject: "CN=x", issuer: stranger, names }), stranger, ca],
    says:
      /"CN=Stranger CA" .* which is not trusted; the trusted CA "CN=Intermediate CA, O=Test Inc" .* has not signed it$/,
  },
];

for (const { what, chain, says } of ATTACKS) {
  Deno.test(`Daemon refuses an ingress with a certificate ${what}, says so, and sends it nothing (F60)`, async () => {
    await using ingress = await presentChain(await chain());
    await using machine = await facing(ingress.port);
    await withDaemon(machine, async () => {
      await use(machine);
      const { state, error, hint } = (await machine.askStatus()).ingress;
      assert.equal(state, "failing");
      assert.match(error!, says);
      assert.match(hint!, /ngrokctl trust show/);
      await use(machine);
      // Two dials and one look: a second look must wait for its minute.
      assert.equal(ingress.connections(), 3);
      assert.equal(ingress.received(), 0);
      assert.equal(await exists(learntFile(machine)), false);
    });
  });
}

Deno.test("Daemon learns a listed CA from the chain, keeps it, and the same connection goes through", async () => {
  await using ingress = await presentChain([await makeCert({ subject: "CN=x", issuer: ca, names }), ca]);
  await using machine = await facing(ingress.port);
  await withDaemon(machine, async () => {
    // The server hangs up on the upgrade request.
    await use(machine);
    assert.ok(ingress.received() > 0);
    assert.equal(await Deno.readTextFile(learntFile(machine)), ca.pem);
    assert.equal((await Deno.stat(learntFile(machine))).mode! & 0o777, 0o644);
    // A dial that is refused, a look, and the dial that counts.
    assert.equal(ingress.connections(), 3);
    assert.equal((await machine.askStatus()).trust.sources.at(-1), learntFile(machine));
  });
});

Deno.test("Daemon does not use an ingress_ca.pem that holds a CA which is not listed", async () => {
  await using ingress = await presentChain([
    await makeCert({ subject: "CN=x", issuer: stranger, names }),
    stranger,
  ]);
  await using machine = await facing(ingress.port);
  await Deno.writeTextFile(learntFile(machine), ca.pem + stranger.pem);
  await withDaemon(machine, async () => {
    const { trust } = await machine.askStatus();
    assert.match(
      trust.problems.join(),
      /"CN=Stranger CA" \(SHA-256 .*\) is not a CA of ngrok that this version knows/,
    );
    await use(machine);
    assert.equal(ingress.received(), 0);
    assert.equal((await machine.askStatus()).ingress.state, "failing");
  });
});

Deno.test("Daemon refuses a CA that has changed after one was learnt, and shows both fingerprints", async () => {
  await using ingress = await presentChain([
    await makeCert({ subject: "CN=x", issuer: lookAlike, names }),
    lookAlike,
  ]);
  await using machine = await facing(ingress.port);
  await Deno.writeTextFile(learntFile(machine), ca.pem);
  await withDaemon(machine, async () => {
    await use(machine);
    const { ingress: { error } } = await machine.askStatus();
    assert.ok(error!.includes(ca.sha256) && error!.includes(lookAlike.sha256), error!);
    assert.equal(await Deno.readTextFile(learntFile(machine)), ca.pem);
    assert.equal(ingress.received(), 0);
  });
});

Deno.test("Daemon shows, saves and forgets CAs over its socket, and saves none that is not listed", async () => {
  await using ingress = await presentChain([await makeCert({ subject: "CN=x", issuer: ca, names })]);
  await using machine = await facing(ingress.port);
  await withDaemon(machine, async () => {
    const before = (await machine.request("trust", ["show"])).data as TrustReport;
    assert.equal(before.mode, "none");
    assert.equal(before.issuer, CA_NAME);
    // It was called a look-alike with another key, though its key was not known.
    assert.deepEqual(before.presented!.problems, [
      `is signed by "${CA_NAME}", which did not come with it and has not been learnt or fetched`,
    ]);
    const refused = await machine.request("trust", ["save", stranger.pem]);
    assert.match(
      refused.error!,
      /"CN=Stranger CA" \(SHA-256 .*\): it is not a CA of ngrok that this version knows/,
    );
    assert.equal((await machine.request("trust", ["save", ca.pem + stranger.pem])).success, false);
    assert.equal(await exists(learntFile(machine)), false);
    assert.match((await machine.request("trust", ["save", "<html>"])).error!, /no PEM certificate/);
    assert.match(String((await machine.request("trust", ["save", ca.pem])).data), /^CA saved in /);
    await use(machine);
    assert.ok(ingress.received() > 0);
    const after = (await machine.request("trust", ["show"])).data as TrustReport;
    assert.deepEqual([after.mode, after.ca?.sha256, after.ca?.days_left], ["learnt", ca.sha256, 0]);
    assert.deepEqual(after.presented!.problems, []);
    assert.match(String((await machine.request("trust", ["forget"])).data), /^CA forgotten: SHA-256 /);
    assert.equal(await exists(learntFile(machine)), false);
    const sent = ingress.received();
    await use(machine);
    assert.equal(ingress.received(), sent);
  });
});

Deno.test("status names no CA that was forgotten since the look (it still said that the ingress verifies with it)", async () => {
  await using ingress = await presentChain([await makeCert({ subject: "CN=x", issuer: ca, names }), ca]);
  await using machine = await facing(ingress.port);
  await withDaemon(machine, async () => {
    await use(machine);
    const before = (await machine.askStatus()).trust;
    assert.deepEqual([before.mode, before.ca?.sha256], ["learnt", ca.sha256]);
    await machine.request("trust", ["forget"]);
    const { mode, ca: named, sources, presented } = (await machine.askStatus()).trust;
    assert.deepEqual([mode, named, sources], ["none", null, []]);
    assert.deepEqual(presented!.certificates.map(({ trusted }) => trusted), [false, false]);
    // The next connection learns it anew.
    await use(machine);
    const after = (await machine.askStatus()).trust;
    assert.deepEqual([after.mode, after.ca?.sha256], ["learnt", ca.sha256]);
  });
});

Deno.test("trust show tells why it could see no certificate, and status too (it said that there was no look yet)", async () => {
  const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = closed.addr;
  closed.close();
  await using machine = await facing(port);
  await withDaemon(machine, async () => {
    assert.equal((await machine.askStatus()).trust.look_error, null);
    const shown = (await machine.request("trust", ["show"])).data as TrustReport;
    assert.equal(shown.presented, null);
    assert.match(
      shown.look_error!,
      new RegExp(`^Cannot read the certificates of localhost:${port}: .*refused`, "i"),
    );
    assert.equal((await machine.askStatus()).trust.look_error, shown.look_error);
  });
});
