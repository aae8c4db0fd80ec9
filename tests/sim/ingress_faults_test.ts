import assert from "node:assert/strict";
import { connect } from "node:tls";
import type { SimulatedCloud } from "../../sim/cloud/cloud.ts";
import { encodeFrame, encodeRequest } from "../../sim/cloud/frame.ts";
import type { Fault } from "../../sim/cloud/faults.ts";
import { hex } from "../../sim/cloud/certificate_authority.ts";
import { MALFORMED_FRAMES } from "../../sim/cloud/ingress_response.ts";
import { dial, ECHO, type RawOperator, readToEnd, upgrade, withEcho } from "./raw_client.ts";

/** Runs a test while the next connection meets a fault, and demands that the one after it works. */
function withFault(
  fault: Fault,
  test: (cloud: SimulatedCloud, operator: RawOperator) => Promise<void>,
): Promise<void> {
  return withEcho(async (cloud, operator) => {
    cloud.addEndpoint({ url: "tcp://greeting.myapp:7000", backend: "tcp" });
    cloud.faults.set({ ...fault, times: 1 });
    await test(cloud, operator);
    await using stream = await upgrade(cloud, operator, ECHO);
    assert.equal(stream.response.errorCode, "", "the next connection works");
  });
}

/** All cases at once, each with a cloud of its own; a failure names its case. */
async function eachOf<T>(cases: readonly T[], test: (one: T) => Promise<void>): Promise<void> {
  await Promise.all(cases.map(async (one) => {
    try {
      await test(one);
    } catch (cause) {
      throw new Error(`Case failed: ${JSON.stringify(one)}: ${cause}`, { cause });
    }
  }));
}

/** Sends the request and takes what comes until the end, as hex. */
async function answerTo(cloud: SimulatedCloud, operator: RawOperator, host = ECHO.host): Promise<string> {
  const conn = await dial(cloud, operator);
  try {
    await conn.write(encodeFrame(encodeRequest({ ...ECHO, host })));
    return hex(await readToEnd(conn));
  } finally {
    conn.close();
  }
}

const WIRE_BYTES: [Fault, string][] = [
  [{ kind: "ingress.eof_before_length" }, ""],
  [{ kind: "ingress.one_length_byte" }, MALFORMED_FRAMES.N7],
  [{ kind: "ingress.partial_frame" }, MALFORMED_FRAMES.N1],
  ...(["N2", "N3", "N4", "N5", "N6"] as const).map((vector): [Fault, string] => [
    { kind: "ingress.malformed", vector },
    MALFORMED_FRAMES[vector],
  ]),
];

Deno.test("faults send malformed answers and end the stream", () =>
  eachOf(
    WIRE_BYTES,
    ([fault, expected]) =>
      withFault(fault, async (cloud, operator) => assert.equal(await answerTo(cloud, operator), expected)),
  ));

Deno.test("a silent ingress, and one that announces 65535 bytes, wait for the client's end", () =>
  eachOf(
    [["ingress.silent", ""], ["ingress.huge_length", "ffff"]] as const,
    ([kind, expected]) =>
      withFault({ kind }, async (cloud, operator) => {
        const conn = await dial(cloud, operator);
        await conn.write(encodeFrame(encodeRequest(ECHO)));
        const reading = readToEnd(conn);
        while (cloud.upgrades().length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
        const early = await Promise.race([
          reading,
          new Promise((resolve) => setTimeout(resolve, 20, "open")),
        ]);
        assert.equal(early, "open");
        await conn.closeWrite();
        assert.equal(hex(await reading), expected);
        conn.close();
        assert.equal(cloud.upgrades()[0]?.outcome, "fault");
      }),
  ));

const RESPONSES: [Fault, Record<string, unknown>][] = [
  [{ kind: "ingress.zero_length" }, { endpointId: "", errorCode: "", errorMessage: "" }],
  [{ kind: "ingress.notices", notices: ["one", "two"] }, { notices: ["one", "two"], errorCode: "" }],
  [{ kind: "ingress.unknown_fields" }, { proto: "tcp", errorCode: "" }],
  [{ kind: "ingress.error", code: "ERR_NGROK_702", message: "too fast" }, {
    endpointId: "",
    errorCode: "ERR_NGROK_702",
    errorMessage: "too fast",
  }],
  [{ kind: "ingress.error_code_only", code: "ERR_NGROK_3209" }, {
    errorCode: "ERR_NGROK_3209",
    errorMessage: "",
  }],
  [{ kind: "ingress.error_message_only", message: "no" }, { errorCode: "", errorMessage: "no" }],
];

Deno.test("faults replace the response, and the stream or its end follows", () =>
  eachOf(RESPONSES, ([fault, expected]) =>
    withFault(fault, async (cloud, operator) => {
      await using stream = await upgrade(cloud, operator, ECHO);
      const actual = Object.fromEntries(Object.entries(stream.response).filter(([name]) => name in expected));
      assert.deepEqual(actual, expected);
      await stream.conn.closeWrite();
      assert.equal(await stream.readAll(), "");
    })));

Deno.test("the fault ingress.unknown_fields adds the fields of R7", () =>
  withFault({ kind: "ingress.unknown_fields" }, async (cloud, operator) => {
    const conn = await dial(cloud, operator);
    await conn.write(encodeFrame(encodeRequest(ECHO)));
    await conn.closeWrite();
    assert.match(hex(await readToEnd(conn)), /30ac0282010378797a49010203040506070855aabbccdd$/);
    conn.close();
  }));

Deno.test("the response and the first data can arrive in one record", () => {
  const cases = [
    [{ kind: "ingress.joined", data: "first" }, "echo.myapp", /^first$/],
    [{ kind: "ingress.joined" }, "greeting.myapp", /^220 ep_\w+\r\n$/],
  ] as const;
  return eachOf(cases, ([fault, host, expected]) =>
    withFault(fault, async (cloud, operator) => {
      const conn = await dial(cloud, operator);
      await conn.write(encodeFrame(encodeRequest({ ...ECHO, host })));
      const buffer = new Uint8Array(1000);
      const count = await conn.read(buffer) ?? 0;
      const frameLength = 2 + (buffer[0] ?? 0);
      assert.match(new TextDecoder().decode(buffer.subarray(frameLength, count)), expected);
      conn.close();
    }));
});

Deno.test("a response can arrive byte by byte", () =>
  withFault({ kind: "ingress.byte_by_byte" }, async (cloud, operator) => {
    const conn = await dial(cloud, operator);
    await conn.write(encodeFrame(encodeRequest(ECHO)));
    await conn.closeWrite();
    let reads = 0;
    let bytes = 0;
    const buffer = new Uint8Array(1000);
    for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer)) {
      reads++;
      bytes += count;
    }
    conn.close();
    assert.equal(bytes, 2 + 2 + 30 + 2 + 3);
    assert.ok(reads > 10, `${bytes} bytes in ${reads} reads`);
  }));

Deno.test("an ingress can end its direction after the response and read on", () =>
  withFault({ kind: "ingress.half_close" }, async (cloud, operator) => {
    await using stream = await upgrade(cloud, operator, ECHO);
    assert.equal(await stream.readAll(), "");
    for (let count = 0; count < 16; count++) await stream.write(new Uint8Array(65_536));
    assert.equal(cloud.openConnections, 1);
    await stream.conn.closeWrite();
    await cloud.ingressIdle();
  }));

Deno.test("a response can come late", () =>
  withFault({ kind: "ingress.delay", ms: 30 }, async (cloud, operator) => {
    const startedAt = performance.now();
    await using stream = await upgrade(cloud, operator, ECHO);
    assert.equal(stream.response.errorCode, "");
    assert.ok(performance.now() - startedAt >= 29);
  }));

Deno.test("the ingress can reset the connection at the accept, the handshake or the response", () =>
  eachOf(
    ["accept", "handshake", "response"] as const,
    (stage) =>
      withFault({ kind: "ingress.reset", stage }, async (cloud, operator) => {
        await assert.rejects(answerTo(cloud, operator), (error: Error) => {
          return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe;
        });
        assert.equal(cloud.upgrades().length, stage === "response" ? 1 : 0);
        assert.equal(cloud.ingressCounts.handshakes, stage === "accept" ? 0 : 1);
      }),
  ));

Deno.test("a reset of a stream comes after the given number of bytes", () =>
  withFault({ kind: "ingress.reset", stage: "stream", afterBytes: 2000 }, async (cloud, operator) => {
    await using stream = await upgrade(cloud, operator, ECHO);
    const buffer = new Uint8Array(1000);
    await stream.write(new Uint8Array(900));
    for (let got = 0; got < 900;) got += await stream.conn.read(buffer) ?? 0;
    await stream.write(new Uint8Array(200));
    await assert.rejects(stream.readAll(), Deno.errors.ConnectionReset);
  }));

Deno.test("a reset of a download lets no more than the given number of bytes through", () =>
  withFault({ kind: "ingress.reset", stage: "stream", afterBytes: 100_000 }, async (cloud, operator) => {
    cloud.addEndpoint({ url: "tcp://source.myapp:7000", backend: { source: 1_000_000 } });
    const { conn } = await upgrade(cloud, operator, { ...ECHO, host: "source.myapp" });
    const buffer = new Uint8Array(65_536);
    let got = 0;
    await assert.rejects(async () => {
      for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer)) got += count;
    }, Deno.errors.ConnectionReset);
    conn.close();
    assert.ok(got <= 100_000, `${got} bytes`);
  }));

Deno.test("a stalled ingress accepts TCP and sends nothing", () =>
  withFault({ kind: "ingress.stall" }, async (cloud) => {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: cloud.ingressPort });
    const reading = conn.read(new Uint8Array(10));
    await conn.write(new TextEncoder().encode("hello"));
    assert.equal(
      await Promise.race([reading, new Promise((resolve) => setTimeout(resolve, 30, "silent"))]),
      "silent",
    );
    await conn.closeWrite();
    assert.equal(await reading, null);
    conn.close();
    assert.deepEqual([cloud.ingressCounts.accepted, cloud.ingressCounts.handshakes], [1, 0]);
  }));

Deno.test("a client that verifies refuses an untrusted, an expired and a misnamed certificate", () => {
  const cases = [
    ["ingress.untrusted_ca", /UnknownIssuer/],
    ["ingress.expired_certificate", /expired/i],
    ["ingress.wrong_name", /not valid for|NotValidForName/],
  ] as const;
  return eachOf(cases, ([kind, wanted]) =>
    withFault({ kind }, async (cloud, operator) => {
      await assert.rejects(dial(cloud, operator), wanted);
      assert.equal(cloud.upgrades().length, 0);
    }));
});

Deno.test("the ingress can speak TLS 1.2 only, or 1.3 only", () =>
  eachOf(
    [["1.2", "TLSv1.2"], ["1.3", "TLSv1.3"]] as const,
    ([version, protocol]) =>
      withFault({ kind: "ingress.tls", version }, async (cloud, operator) => {
        const socket = connect({
          host: "127.0.0.1",
          servername: "localhost",
          port: cloud.ingressPort,
          ca: cloud.caPem,
          cert: operator.cert,
          key: operator.key,
        });
        await new Promise<void>((resolve, reject) => {
          socket.once("secureConnect", resolve);
          socket.once("error", reject);
        });
        assert.equal(socket.getProtocol(), protocol);
        const closed = new Promise((resolve) => socket.once("close", resolve));
        socket.destroy();
        await closed;
      }),
  ));

Deno.test("a revoked certificate is refused after the handshake, and the next one is not", () =>
  withFault({ kind: "ingress.revoked" }, async (cloud, operator) => {
    const conn = await dial(cloud, operator);
    assert.equal((await readToEnd(conn)).length, 0);
    conn.close();
    assert.equal(cloud.ingressCounts.refusedCertificates, 1);
  }));

Deno.test("a fault for one host does not affect others", () =>
  withFault(
    { kind: "ingress.error_code_only", code: "ERR_NGROK_702", host: "greeting.myapp" },
    async (cloud, operator) => {
      await using good = await upgrade(cloud, operator, ECHO);
      assert.equal(good.response.errorCode, "");
      await using bad = await upgrade(cloud, operator, { ...ECHO, host: "greeting.myapp" });
      assert.equal(bad.response.errorCode, "ERR_NGROK_702");
    },
  ));
