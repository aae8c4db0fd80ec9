import assert from "node:assert/strict";
import { FileError } from "../../src/model/errors.ts";
import { realSystem } from "../../src/system/system.ts";
import { presentChain } from "../fakes/chain_server.ts";
import { makeCert } from "../fakes/test_ca.ts";
import { CA_DIRECTORY, TlsIngress } from "./tls_ingress.ts";

const names = ["localhost"];
const ca = await makeCert({ subject: "CN=Good CA", isCa: true });
const expired = await makeCert({ subject: "CN=Old CA", isCa: true, fromHours: -48, untilHours: -2 });
const leaf = await makeCert({ subject: "CN=leaf", issuer: ca, names });
const GARBAGE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

Deno.test("Daemon reports an expired CA, a server certificate and garbage, and uses the other CAs", async () => {
  const server = await makeCert({ subject: "CN=server", issuer: expired, names });
  const ingressCa = expired.pem + server.pem + ca.pem;
  const caFiles = { "garbage.crt": GARBAGE, "notes.txt": "hello" };
  await TlsIngress.run({ chain: [leaf, ca], ingressCa, caFiles }, async (ingress) => {
    const { problems } = await ingress.trust();
    const file = `${ingress.machine.etc}/ca.pem`;
    const hint = `Replace it in ${file} and send ngrokd a SIGHUP`;
    assert.equal(problems.length, 4, problems.join("\n"));
    assert.match(problems[0]!, /^Cannot trust .*\/garbage\.crt: Cannot read the certificate: /);
    assert.equal(problems[1], `Cannot trust ${CA_DIRECTORY}/notes.txt: it holds no PEM certificate`);
    assert.match(
      problems[2]!,
      /^The CA "CN=Old CA" \(SHA-256 .*\) of .* expired on 20.*Z \(/,
    );
    assert.equal(
      problems[3],
      `The CA "CN=server" (SHA-256 ${server.sha256}) of ${file} is not a CA (${hint})`,
    );
    assert.ok(problems[2]!.includes(hint));
    const { reasons } = await ingress.health();
    assert.ok(problems.every((problem) => reasons.includes(`Trust: ${problem}`)));
    await ingress.assertAccepted();
    assert.equal((await ingress.trust()).mode, "ingress_ca");
  });
});

Deno.test("Daemon verifies a self-signed server with its own certificate, which is not a CA", async () => {
  const own = await makeCert({ subject: "CN=own", names });
  await TlsIngress.run({ chain: [own], ingressCa: own.pem }, async (ingress) => {
    await ingress.assertAccepted();
    assert.deepEqual((await ingress.trust()).problems, []);
  });
});

// `openssl req -x509` makes such certificates; status showed no problem.
for (const isSelfSigned of [true, false]) {
  const kind = isSelfSigned ? "self-signed" : "signed";
  Deno.test(`Daemon refuses a server whose ${kind} certificate is a CA's, and says why`, async () => {
    const own = await makeCert({
      subject: "CN=own",
      names,
      isCa: true,
      ...(isSelfSigned ? {} : { issuer: ca }),
    });
    const chain = isSelfSigned ? [own] : [own, ca];
    await TlsIngress.run({ chain, ingressCa: chain.at(-1)!.pem }, async (ingress) => {
      const reason = "is that of a CA (its basicConstraints say CA:TRUE), which no server may use";
      await ingress.assertRefused(
        /^Cannot connect to localhost:\d+: the ingress's certificate is that of a CA/,
        /; reissue the server's certificate with CA:FALSE \(openssl .*CA:FALSE\)$/,
      );
      assert.ok((await ingress.machine.askStatus()).ingress.error!.endsWith(reason));
      const { mode, presented } = await ingress.trust();
      assert.deepEqual([mode, presented?.problems], ["none", [reason]]);
    });
  });
}

Deno.test("Daemon does not verify with an expired CA of a file, and names the file", async () => {
  const chain = [await makeCert({ subject: "CN=x", issuer: expired, names }), expired];
  await TlsIngress.run({ chain, ingressCa: expired.pem }, async (ingress) => {
    await ingress.assertRefused(
      /is signed by the CA "CN=Old CA" \(SHA-256 [^)]*\) of [^ ]*ca\.pem, which expired on 20[^ ]*Z$/,
      /ngrokctl trust show; replace it in .*\/ca\.pem$/,
    );
  });
});

for (
  const [what, bad, error, hint] of [
    [
      "has expired",
      expired,
      /is signed by ngrok's CA "CN=Old CA" \(SHA-256 [^)]*\), which expired on 20[^ ]*Z$/,
      /trust show; check this machine's clock; if it is right, install a version of ngrokd/,
    ],
    [
      "is not a CA",
      await makeCert({ subject: "CN=No CA" }),
      /signed by "CN=No CA" \(SHA-256 .*\), which is not a CA$/,
      /trust show; get ngrok's CA: ngrokctl trust fetch/,
    ],
  ] as const
) {
  Deno.test(`Daemon does not learn a listed CA that ${what}, but learns another listed one`, async () => {
    const chain = [await makeCert({ subject: "CN=x", issuer: bad, names }), bad];
    await TlsIngress.run({ chain, listed: [bad, ca] }, async (ingress) => {
      await ingress.assertRefused(error, hint);
      await using successor = await presentChain([leaf, ca]);
      const { machine, server } = ingress;
      await machine.reloadWith(`:${server.port}`, `:${successor.port}`);
      await machine.until(
        "the other ingress",
        async () => (await machine.askStatus()).ingress_endpoint === `localhost:${successor.port}`,
      );
      await ingress.use();
      assert.ok(successor.received() > 0);
    });
  });
}

Deno.test("Daemon uses a CA that it cannot save, says why, and saves it at a reload", async () => {
  const { files } = realSystem();
  let isFull = true;
  const writeFileAtomic: typeof files.writeFileAtomic = (path, text, options) => {
    if (!isFull || !path.endsWith("ingress_ca.pem")) return files.writeFileAtomic(path, text, options);
    const full = { path, reason: "full", hint: "Make room on the disk" } as const;
    return Promise.reject(new FileError(`Cannot write ${path}: the disk is full`, full));
  };
  await TlsIngress.run({ chain: [leaf, ca], listed: [ca], files: { writeFileAtomic } }, async (ingress) => {
    const { machine } = ingress;
    const problem = `Cannot save the learnt CA: Cannot write ${ingress.learntPath}: ` +
      "the disk is full (Make room on the disk. It is in use; a SIGHUP saves it again)";
    await ingress.assertAccepted();
    const { trust, ingress: { state } } = await machine.askStatus();
    assert.deepEqual([trust.problems, trust.mode], [[problem], "learnt"]);
    assert.notEqual(state, "unknown");
    assert.ok((await ingress.health()).reasons.includes(`Trust: ${problem}`));
    assert.match(machine.logText, /Cannot save the learnt CA error="Cannot write/);
    // A reload that failed too removed the problem although nothing was saved.
    async function reload(line: string): Promise<void> {
      machine.log.length = 0;
      await machine.reloadWith("server:\n", `server:\n  ${line}\n`);
      await machine.untilLogged("Configuration reloaded");
    }
    await reload("log_level: debug");
    assert.deepEqual((await ingress.trust()).problems, [problem]);
    isFull = false;
    await reload("log_format: json");
    assert.deepEqual((await ingress.trust()).problems, []);
    assert.equal(await ingress.learnt(), ca.pem);
  });
});

Deno.test("status and health warn of a CA and a certificate of the ingress that expire soon", async () => {
  const ending = await makeCert({ subject: "CN=Ending CA", isCa: true, fromHours: -100, untilHours: 5 });
  const short = await makeCert({ subject: "CN=x", issuer: ending, names, fromHours: -30, untilHours: 3 });
  await TlsIngress.run({ chain: [short, ending], ingressCa: ending.pem }, async (ingress) => {
    await ingress.use();
    await ingress.machine.until("a probe", async () => (await ingress.trust()).presented !== null);
    const { warnings, problems } = await ingress.trust();
    assert.deepEqual(problems, []);
    assert.equal(warnings.length, 2);
    assert.match(
      warnings[0]!,
      /^The CA "CN=Ending CA" of .*ca\.pem expires on 20.*Z, in 4 hours \(Add its successor/,
    );
    assert.match(
      warnings[1]!,
      /^The ingress presents a certificate, which expires on 20.*Z, in 2 hours \(The operator of/,
    );
    const { healthy, ready, reasons } = await ingress.health();
    assert.deepEqual([healthy, ready], [true, true]);
    assert.ok(warnings.every((warning) => reasons.includes(`Trust: ${warning}`)));
  });
});
