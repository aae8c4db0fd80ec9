import assert from "node:assert/strict";
import { freePort } from "../../sim/daemon_harness.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { type MadeCert, makeCert } from "../fakes/test_ca.ts";
import { withDaemon } from "../fakes/with_daemon.ts";
import { TlsIngress } from "./tls_ingress.ts";

const CA_NAME = "CN=Intermediate CA, O=Test Inc";
const root = await makeCert({ subject: "CN=Root CA", isCa: true });
const ca = await makeCert({ subject: CA_NAME, issuer: root, isCa: true });
const other = await makeCert({ subject: "CN=Stranger CA", isCa: true });
const lookAlike = await makeCert({ subject: CA_NAME, issuer: root, isCa: true });
const listed = [ca];

/** A server certificate for localhost. */
function leafOf(issuer?: MadeCert): Promise<MadeCert> {
  return makeCert({ subject: "CN=x", names: ["localhost"], ...(issuer === undefined ? {} : { issuer }) });
}

const good = await leafOf(ca);

const ATTACKS: readonly {
  readonly certificate: string;
  readonly chain: () => Promise<readonly MadeCert[]>;
  readonly error: RegExp;
}[] = [
  {
    certificate: "of another CA",
    chain: async () => [await leafOf(other), other],
    error: new RegExp(`is signed by "CN=Stranger CA" \\(SHA-256 ${other.sha256}\\), which is not trusted$`),
  },
  {
    certificate: "of another CA that is not in the chain",
    chain: async () => [await leafOf(other)],
    error: /is issued by "CN=Stranger CA", which the server did not send and ngrokd does not know$/,
  },
  {
    certificate: "for another name",
    chain: async () => [await makeCert({ subject: "CN=x", issuer: ca, names: ["other.example"] }), ca],
    error: /certificate is for other\.example, not for localhost$/,
  },
  {
    certificate: "that has expired",
    chain: async () => [
      await makeCert({ subject: "CN=x", issuer: ca, names: ["localhost"], fromHours: -3, untilHours: -2 }),
      ca,
    ],
    error: /certificate expired on 20[0-9T:-]+Z$/,
  },
  {
    certificate: "that is not valid yet",
    chain: async () => [
      await makeCert({ subject: "CN=x", issuer: ca, names: ["localhost"], fromHours: 2 }),
      ca,
    ],
    error: /certificate is not valid before 20[0-9T:-]+Z \(this machine's clock says 20[0-9T:-]+Z\)$/,
  },
  {
    certificate: "of a CA with the name of the listed one",
    chain: async () => [await leafOf(lookAlike), lookAlike],
    error: new RegExp(
      `signed by a CA "${CA_NAME}" \\(SHA-256 ${lookAlike.sha256}\\) that has the name of the trusted CA ` +
        `with SHA-256 ${ca.sha256}, but another key$`,
    ),
  },
  {
    certificate: "that is self-signed",
    chain: async () => [await leafOf()],
    error: /certificate is self-signed and not trusted: "CN=x" \(SHA-256 [0-9A-F:]{95}\)$/,
  },
  {
    certificate: "of a CA with that name, and the listed CA",
    chain: async () => [await leafOf(lookAlike), ca],
    error: new RegExp(
      `includes the trusted CA "${CA_NAME}" \\(SHA-256 ${ca.sha256}\\), but that CA has not signed it$`,
    ),
  },
  {
    certificate: "of another CA, and the listed CA",
    chain: async () => [await leafOf(other), other, ca],
    error:
      /"CN=Stranger CA" .* which is not trusted; it includes the trusted CA "CN=Intermediate CA, O=Test Inc" .* has not signed it$/,
  },
];

for (const { certificate, chain, error } of ATTACKS) {
  Deno.test(`Daemon sends nothing to an ingress with a certificate ${certificate} (F60)`, async () => {
    await TlsIngress.run({ chain: await chain(), listed }, async (ingress) => {
      await ingress.assertRefused(error);
      await ingress.use();
      // Two dials and one probe: a second probe waits for a minute.
      assert.equal(ingress.server.connections(), 3);
      assert.equal(ingress.server.received(), 0);
      assert.equal(await ingress.learnt(), undefined);
    });
  });
}

Deno.test("Daemon learns and saves a listed CA of the chain, and the same connection succeeds", () =>
  TlsIngress.run({ chain: [good, ca], listed }, async (ingress) => {
    await ingress.assertAccepted();
    assert.equal(await ingress.learnt(), ca.pem);
    assert.equal((await Deno.stat(ingress.learntPath)).mode! & 0o777, 0o644);
    // A dial that is refused, a probe, and the dial that succeeds.
    assert.equal(ingress.server.connections(), 3);
    assert.equal((await ingress.trust()).sources.at(-1), ingress.learntPath);
  }));

Deno.test("Daemon ignores a file of learnt CAs that holds one which is not listed", async () => {
  const chain = [await leafOf(other), other];
  await TlsIngress.run({ chain, listed, learnt: ca.pem + other.pem }, async (ingress) => {
    const { problems } = await ingress.trust();
    assert.match(
      problems.join(),
      /"CN=Stranger CA" \(SHA-256 .*\) is not a CA of ngrok that this version knows/,
    );
    await ingress.assertRefused(/./);
  });
});

Deno.test("Daemon refuses a CA that replaces the learnt one, and shows both fingerprints", async () => {
  const chain = [await leafOf(lookAlike), lookAlike];
  await TlsIngress.run({ chain, listed, learnt: ca.pem }, async (ingress) => {
    await ingress.assertRefused(new RegExp(`${lookAlike.sha256}.*${ca.sha256}`));
    assert.equal(await ingress.learnt(), ca.pem);
  });
});

Deno.test("Daemon refuses a CA with another name than the learnt one, and shows both fingerprints", async () => {
  const successor = await makeCert({ subject: "CN=New CA, O=Elsewhere", isCa: true });
  const chain = [await leafOf(successor), successor];
  await TlsIngress.run({ chain, listed, learnt: ca.pem }, async (ingress) => {
    await ingress.assertRefused(
      new RegExp(`"CN=New CA, O=Elsewhere" \\(SHA-256 ${successor.sha256}\\), which is not trusted`),
      /^Compare what it presents with what is trusted: ngrokctl trust show; /,
    );
    const { cas, presented } = await ingress.showTrust();
    assert.deepEqual(cas.map(({ sha256 }) => sha256), [ca.sha256]);
    assert.equal(presented!.certificates[1]!.sha256, successor.sha256);
  });
});

Deno.test("Daemon shows, saves and forgets CAs over its socket, and saves only listed ones", () =>
  TlsIngress.run({ chain: [good], listed }, async (ingress) => {
    const { machine } = ingress;
    const save = (pem: string) => machine.request("trust", ["save", pem]);
    const before = await ingress.showTrust();
    assert.equal(before.mode, "none");
    assert.equal(before.issuer, CA_NAME);
    // It was called a CA with another key, although its key was not known.
    assert.deepEqual(before.presented!.problems, [
      `is issued by "${CA_NAME}", which the server did not send and ngrokd does not know`,
    ]);
    assert.match(
      (await save(other.pem)).error!,
      /"CN=Stranger CA" \(SHA-256 .*\): it is not a CA of ngrok that this version knows/,
    );
    assert.equal((await save(ca.pem + other.pem)).success, false);
    assert.equal(await ingress.learnt(), undefined);
    assert.match((await save("<html>")).error!, /no PEM certificate/);
    assert.match(String((await save(ca.pem)).data), /^CA saved in /);
    await ingress.assertAccepted();
    const after = await ingress.showTrust();
    assert.deepEqual([after.mode, after.ca?.sha256, after.ca?.days_left], ["learnt", ca.sha256, 0]);
    assert.deepEqual(after.presented!.problems, []);
    assert.match(String(await machine.ask("trust", ["forget"])), /^CA forgotten: SHA-256 /);
    assert.equal(await ingress.learnt(), undefined);
    const received = ingress.server.received();
    await ingress.use();
    assert.equal(ingress.server.received(), received);
  }));

// Status still said that the ingress verifies with it.
Deno.test("status names no CA that was forgotten after the probe", () =>
  TlsIngress.run({ chain: [good, ca], listed }, async (ingress) => {
    await ingress.use();
    const before = await ingress.trust();
    assert.deepEqual([before.mode, before.ca?.sha256], ["learnt", ca.sha256]);
    await ingress.machine.ask("trust", ["forget"]);
    const { mode, ca: named, sources, presented } = await ingress.trust();
    assert.deepEqual([mode, named, sources], ["none", null, []]);
    assert.deepEqual(presented!.certificates.map(({ trusted }) => trusted), [false, false]);
    // The next connection learns it again.
    await ingress.use();
    const after = await ingress.trust();
    assert.deepEqual([after.mode, after.ca?.sha256], ["learnt", ca.sha256]);
  }));

// It said that there was no probe yet.
Deno.test("trust show and status tell why the ingress could not be probed", async () => {
  const port = freePort();
  await using machine = await FakeMachine.create({ ingress: `localhost:${port}` });
  const lookError = async () => (await machine.askStatus()).trust.look_error;
  await withDaemon(machine, async () => {
    assert.equal(await lookError(), null);
    const shown = await machine.ask("trust", ["show"]) as Awaited<ReturnType<TlsIngress["showTrust"]>>;
    assert.equal(shown.presented, null);
    assert.match(
      shown.look_error!,
      new RegExp(`^Cannot read the certificates of localhost:${port}: .*refused`, "i"),
    );
    assert.equal(await lookError(), shown.look_error);
  });
});
