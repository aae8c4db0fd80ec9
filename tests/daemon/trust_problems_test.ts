import assert from "node:assert/strict";
import type { HealthReport, TrustReport } from "../../src/model/report.ts";
import { FileError } from "../../src/model/errors.ts";
import { realSystem, type System } from "../../src/system/system.ts";
import { presentChain } from "../fakes/chain_server.ts";
import { type MadeCert, makeCert } from "../fakes/test_ca.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { withDaemon } from "../fakes/with_daemon.ts";

const names = ["localhost"];
const ca = await makeCert({ subject: "CN=Good CA", isCa: true });
const expired = await makeCert({ subject: "CN=Old CA", isCa: true, fromHours: -48, untilHours: -2 });
const leaf = await makeCert({ subject: "CN=leaf", issuer: ca, names });
const ETC = "/etc/ssl/certs/ngrok";
const GARBAGE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

interface World {
  readonly port: number;
  readonly listed?: readonly MadeCert[];
  readonly files?: Partial<System["files"]>;
  /** Of `server.ingress_ca`; absent: it is not set. */
  readonly ingressCa?: string;
  /** What /etc/ssl/certs/ngrok holds. */
  readonly etc?: Readonly<Record<string, string>>;
}

async function facing({ port, listed = [], files = {}, ingressCa, etc = {} }: World): Promise<FakeMachine> {
  const { files: real } = realSystem();
  const machine = await FakeMachine.create({
    system: {
      listedCas: listed.map(({ sha256, certificate: { subject } }) => ({ sha256, subject })),
      files: {
        ...real,
        listDirectory: (path) => path === ETC ? Promise.resolve(Object.keys(etc)) : real.listDirectory(path),
        readText: (path) =>
          path.startsWith(ETC) ? Promise.resolve(etc[path.slice(ETC.length + 1)]!) : real.readText(path),
        ...files,
      },
    },
  });
  let text = await Deno.readTextFile(machine.configPath);
  text = text.replace(/^ingressEndpoint: .*$/m, `ingressEndpoint: localhost:${port}`);
  if (ingressCa === undefined) text = text.replace(/^ {2}ingress_ca: .*\n/m, "");
  else await Deno.writeTextFile(`${machine.etc}/ca.pem`, ingressCa);
  await Deno.writeTextFile(machine.configPath, text);
  machine.cloud.addEndpoint({ url: "tcp://db.example:8397", backend: "echo" });
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

async function reasonsOf(machine: FakeMachine): Promise<readonly string[]> {
  return ((await machine.request("health")).data as HealthReport).reasons;
}

Deno.test("Daemon tells an expired CA, one that is none, and garbage apart, and verifies with the others", async () => {
  await using ingress = await presentChain([leaf, ca]);
  const other = await makeCert({ subject: "CN=server", issuer: expired, names });
  await using machine = await facing({
    port: ingress.port,
    ingressCa: expired.pem + other.pem + ca.pem,
    etc: { "garbage.crt": GARBAGE, "notes.txt": "hello" },
  });
  await withDaemon(machine, async () => {
    const { problems } = (await machine.askStatus()).trust;
    const file = `${machine.etc}/ca.pem`;
    const next = `Replace it in ${file} and send ngrokd a SIGHUP`;
    assert.equal(problems.length, 4, problems.join("\n"));
    assert.match(problems[0]!, /^Cannot trust .*\/garbage\.crt: Cannot read the certificate: /);
    assert.equal(problems[1], `Cannot trust ${ETC}/notes.txt: it holds no PEM certificate`);
    assert.match(
      problems[2]!,
      /^The CA "CN=Old CA" \(SHA-256 .*\) of .* expired on 20.*Z, and is not used \(/,
    );
    assert.equal(
      problems[3],
      `The CA "CN=server" (SHA-256 ${other.sha256}) of ${file} is not a CA, and is not used (${next})`,
    );
    assert.ok(problems[2]!.includes(next));
    const reasons = await reasonsOf(machine);
    assert.ok(problems.every((problem) => reasons.includes(`Trust: ${problem}`)));
    await use(machine);
    assert.ok(ingress.received() > 0, "the good one verifies");
    assert.equal((await machine.askStatus()).trust.mode, "ingress_ca");
  });
});

Deno.test("Daemon verifies a server with its own certificate that has signed itself, though that is no CA", async () => {
  const own = await makeCert({ subject: "CN=own", names });
  await using ingress = await presentChain([own]);
  await using machine = await facing({ port: ingress.port, ingressCa: own.pem });
  await withDaemon(machine, async () => {
    await use(machine);
    assert.ok(ingress.received() > 0);
    assert.deepEqual((await machine.askStatus()).trust.problems, []);
  });
});

Deno.test("Daemon says why it refuses a server with a given certificate that is a CA's, as openssl req -x509 makes it (nothing was wrong by status)", async () => {
  const own = await makeCert({ subject: "CN=own", names, isCa: true });
  const signed = await makeCert({ subject: "CN=signed", issuer: ca, names, isCa: true });
  for (const [chain, given] of [[[own], own], [[signed, ca], ca]] as const) {
    await using ingress = await presentChain(chain);
    await using machine = await facing({ port: ingress.port, ingressCa: given.pem });
    await withDaemon(machine, async () => {
      await use(machine);
      const { ingress: { error, hint }, trust } = await machine.askStatus();
      const reason = "is that of a CA (its basicConstraints say CA:TRUE), which no server may use";
      assert.equal(error, `Cannot connect to localhost:${ingress.port}: the ingress's certificate ${reason}`);
      assert.match(hint!, /; reissue the server's certificate with CA:FALSE \(openssl .*CA:FALSE\)$/);
      assert.deepEqual([trust.mode, trust.presented?.problems], ["none", [reason]]);
      assert.equal(ingress.received(), 0);
    });
  }
});

Deno.test("Daemon does not verify with a CA of a file past its end, and names it in the refusal", async () => {
  const old = await makeCert({ subject: "CN=x", issuer: expired, names });
  await using ingress = await presentChain([old, expired]);
  await using machine = await facing({ port: ingress.port, ingressCa: expired.pem });
  await withDaemon(machine, async () => {
    await use(machine);
    const { error, hint } = (await machine.askStatus()).ingress;
    assert.match(
      error!,
      /is signed by the CA "CN=Old CA" \(SHA-256 [^)]*\) of [^ ]*ca\.pem, which expired on 20[^ ]*Z$/,
    );
    assert.match(hint!, /ngrokctl trust show; replace it in .*\/ca\.pem$/);
    assert.equal(ingress.received(), 0);
  });
});

for (
  const [what, bad, says, step] of [
    [
      "has expired",
      expired,
      /is signed by ngrok's CA "CN=Old CA" \(SHA-256 [^)]*\), which expired on 20[^ ]*Z$/,
      /trust show; check this machine's clock; if it is right, install a version of ngrokd/,
    ],
    [
      "is not one",
      await makeCert({ subject: "CN=No CA" }),
      /signed by "CN=No CA" \(SHA-256 .*\), which is not a CA$/,
      /trust show; get ngrok's CA: ngrokctl trust fetch/,
    ],
  ] as const
) {
  Deno.test(`Daemon does not learn a listed CA that ${what}, and says so; another listed one is learnt`, async () => {
    await using ingress = await presentChain([await makeCert({ subject: "CN=x", issuer: bad, names }), bad]);
    await using machine = await facing({ port: ingress.port, listed: [bad, ca] });
    await withDaemon(machine, async () => {
      await use(machine);
      const { error, hint } = (await machine.askStatus()).ingress;
      assert.match(error!, says);
      assert.match(hint!, step);
      assert.equal(ingress.received(), 0);
      await using successor = await presentChain([leaf, ca]);
      const text = await Deno.readTextFile(machine.configPath);
      await Deno.writeTextFile(machine.configPath, text.replace(`:${ingress.port}`, `:${successor.port}`));
      machine.signal("SIGHUP");
      await machine.until(
        "the other ingress counts",
        async () => (await machine.askStatus()).ingress_endpoint === `localhost:${successor.port}`,
      );
      await use(machine);
      assert.ok(successor.received() > 0);
    });
  });
}

Deno.test("Daemon serves with a CA that it cannot keep, says why, and a reload keeps it once the disk can be written", async () => {
  await using ingress = await presentChain([leaf, ca]);
  const { files } = realSystem();
  let isFull = true;
  await using machine = await facing({
    port: ingress.port,
    listed: [ca],
    files: {
      writeFileAtomic: (path, text, options) =>
        isFull && path.endsWith("ingress_ca.pem")
          ? Promise.reject(
            new FileError(`Cannot write ${path}: the disk is full`, {
              path,
              reason: "full",
              hint: "Make room on the disk",
            }),
          )
          : files.writeFileAtomic(path, text, options),
    },
  });
  const learnt = `${machine.etc}/ingress_ca.pem`;
  const problem = `Cannot save the learnt CA: Cannot write ${learnt}: the disk is full ` +
    "(Make room on the disk. It is in use; a SIGHUP saves it again)";
  await withDaemon(machine, async () => {
    await use(machine);
    assert.ok(ingress.received() > 0, "it serves");
    const { trust, ingress: { state } } = await machine.askStatus();
    assert.deepEqual([trust.problems, trust.mode], [[problem], "learnt"]);
    assert.notEqual(state, "unknown");
    assert.ok((await reasonsOf(machine)).includes(`Trust: ${problem}`));
    assert.ok(machine.logText.includes("Learnt CA is not saved"));
    // A reload that failed too made the problem vanish, though nothing was kept.
    const reloads = () => machine.log.filter((line) => line.includes("Configuration reloaded")).length;
    const reload = async (verbosity: string) => {
      const before = reloads();
      const text = await Deno.readTextFile(machine.configPath);
      await Deno.writeTextFile(machine.configPath, text.replace("server:\n", `server:\n  ${verbosity}\n`));
      machine.signal("SIGHUP");
      await machine.until("it is reloaded", () => reloads() > before);
    };
    await reload("log_level: debug");
    assert.deepEqual((await machine.askStatus()).trust.problems, [problem]);
    isFull = false;
    await reload("log_format: json");
    assert.deepEqual((await machine.askStatus()).trust.problems, []);
    assert.equal(await Deno.readTextFile(learnt), ca.pem);
  });
});

Deno.test("Daemon refuses an ingress whose CA is another one under another name, and leads to both fingerprints", async () => {
  const other = await makeCert({ subject: "CN=New CA, O=Elsewhere", isCa: true });
  await using ingress = await presentChain([
    await makeCert({ subject: "CN=x", issuer: other, names }),
    other,
  ]);
  await using machine = await facing({ port: ingress.port, listed: [ca] });
  await Deno.writeTextFile(`${machine.etc}/ingress_ca.pem`, ca.pem);
  await withDaemon(machine, async () => {
    await use(machine);
    const { error, hint } = (await machine.askStatus()).ingress;
    assert.ok(error!.includes(`"CN=New CA, O=Elsewhere" (SHA-256 ${other.sha256}), which is not trusted`));
    assert.match(hint!, /^Compare what it presents with what is trusted: ngrokctl trust show; /);
    const shown = (await machine.request("trust", ["show"])).data as TrustReport;
    assert.deepEqual(shown.cas.map(({ sha256 }) => sha256), [ca.sha256]);
    assert.equal(shown.presented!.certificates[1]!.sha256, other.sha256);
    assert.equal(ingress.received(), 0);
  });
});

Deno.test("status and health warn of a CA and of an ingress's certificate that are near their end, while all works", async () => {
  const ending = await makeCert({ subject: "CN=Ending CA", isCa: true, fromHours: -100, untilHours: 5 });
  const short = await makeCert({ subject: "CN=x", issuer: ending, names, fromHours: -30, untilHours: 3 });
  await using ingress = await presentChain([short, ending]);
  await using machine = await facing({ port: ingress.port, ingressCa: ending.pem });
  await withDaemon(machine, async () => {
    await use(machine);
    await machine.until(
      "it has been looked at",
      async () => (await machine.askStatus()).trust.presented !== null,
    );
    const { warnings, problems } = (await machine.askStatus()).trust;
    assert.deepEqual(problems, []);
    assert.match(
      warnings[0]!,
      /^The CA "CN=Ending CA" of .*ca\.pem expires on 20.*Z, in 4 hours \(Add its successor/,
    );
    assert.match(
      warnings[1]!,
      /^The ingress presents a certificate, which expires on 20.*Z, in 2 hours \(Whoever/,
    );
    assert.equal(warnings.length, 2);
    const { healthy, ready, reasons } = (await machine.request("health")).data as HealthReport;
    assert.deepEqual([healthy, ready], [true, true]);
    assert.ok(warnings.every((warning) => reasons.includes(`Trust: ${warning}`)));
  });
});
