import "reflect-metadata";
import assert from "node:assert/strict";
import { X509Certificate } from "@peculiar/x509";
import { SimulatedCloud } from "../../sim/cloud/cloud.ts";
import { encodeFrame, encodeRequest } from "../../sim/cloud/frame.ts";
import { fromHex, MALFORMED_FRAMES } from "../../sim/cloud/ingress_response.ts";
import { dial, ECHO, readToEnd, register, upgrade, withEcho } from "./raw_client.ts";

Deno.test("a request may come in several writes, and is recorded with its pod identity", () =>
  withEcho(async (cloud, operator, endpointId) => {
    const podIdentity = {
      uid: "u",
      name: "n",
      namespace: "s",
      annotations: { "k8s.ngrok.com/team": "blue" },
    };
    const frame = encodeFrame(encodeRequest({ ...ECHO, podIdentity }));
    for (const size of [1, 2]) {
      const conn = await dial(cloud, operator);
      for (let offset = 0; offset < frame.length; offset += size) {
        await conn.write(frame.subarray(offset, offset + size));
      }
      await conn.closeWrite();
      assert.ok((await readToEnd(conn)).length > 30);
      conn.close();
    }
    const [record, ...more] = cloud.upgrades();
    assert.equal(more.length, 1);
    assert.deepEqual(record, {
      ...ECHO,
      podIdentity,
      operatorId: operator.id,
      certSerial: new X509Certificate(operator.cert).serialNumber,
      endpointId,
      outcome: "ok",
      at: record?.at,
    });
  }));

Deno.test("bytes before the response are kept for the stream, or dropped if the switch says so", () =>
  withEcho(async (cloud, operator) => {
    for (const keepEarlyBytes of [true, false]) {
      cloud.switches.keepEarlyBytes = keepEarlyBytes;
      await using stream = await upgrade(cloud, operator, { ...ECHO, early: "early " });
      await stream.write("late");
      await stream.conn.closeWrite();
      assert.equal(await stream.readAll(), keepEarlyBytes ? "early late" : "late");
    }
  }));

Deno.test("exact names win over wildcards, long ones over short ones; the bare domain is no match", async () => {
  await using cloud = await SimulatedCloud.start();
  const operator = await register(cloud);
  const add = (host: string) => cloud.addEndpoint({ url: `tcp://${host}:1`, backend: "echo" }).id;
  const [exact, long, short] = ["a.b.example.com", "*.b.example.com", "*.example.com"].map(add);
  const cases = [
    ["a.b.example.com", exact],
    ["A.B.Example.COM", exact],
    ["x.b.example.com", long],
    ["x.y.b.example.com", long],
    ["b.example.com", short],
    ["x.example.com", short],
    ["example.com", undefined],
    ["xexample.com", undefined],
  ];
  await Promise.all(cases.map(async ([host = "", id = ""]) => {
    await using stream = await upgrade(cloud, operator, { host, port: 1 });
    assert.equal(stream.response.endpointId, id, host);
  }));
  await using wrongPort = await upgrade(cloud, operator, { host: "a.b.example.com", port: 2 });
  assert.equal(wrongPort.response.errorCode, "ERR_NGROK_3200");
});

Deno.test("the connections to a pool are distributed over its members in order", async () => {
  await using cloud = await SimulatedCloud.start();
  const operator = await register(cloud);
  const ids = [1, 2, 3].map(() =>
    cloud.addEndpoint({ url: "tcp://pool.myapp:1", backend: "echo", pooling: true }).id
  );
  const seen: string[] = [];
  for (let count = 0; count < 6; count++) {
    await using stream = await upgrade(cloud, operator, { host: "pool.myapp", port: 1 });
    seen.push(stream.response.endpointId);
  }
  assert.deepEqual(seen, [...ids, ...ids]);
});

Deno.test("endpoints outside selectors, account or binding are not reachable", async () => {
  await using cloud = await SimulatedCloud.start();
  const other = cloud.addAccount();
  cloud.addEndpoint({ url: "tcp://foreign.myapp:1", backend: "echo", accountId: other.id });
  cloud.addEndpoint({ url: "tcp://public.myapp:1", backend: "echo", binding: "public" });
  cloud.addEndpoint({ url: "tcp://hidden.myapp:1", backend: "echo" });
  const operator = await register(cloud, { selectors: ['!endpoint.url.contains("hidden")'] });
  await Promise.all(["foreign.myapp", "public.myapp", "hidden.myapp"].map(async (host) => {
    await using stream = await upgrade(cloud, operator, { host, port: 1 });
    assert.equal(stream.response.errorCode, "ERR_NGROK_3200", host);
    assert.equal(await stream.readAll(), "", "the ingress closes after an error");
  }));
  assert.deepEqual(
    cloud.upgrades().map(({ outcome, endpointId }) => [outcome, endpointId]),
    Array(3).fill(["ERR_NGROK_3200", null]),
  );
});

Deno.test("a host with a port in it is answered with 706", () =>
  withEcho(async (cloud, operator) => {
    await using stream = await upgrade(cloud, operator, { host: "echo.myapp:7000", port: 7000 });
    assert.deepEqual([stream.response.errorCode, stream.response.endpointId], ["ERR_NGROK_706", ""]);
  }));

Deno.test("after an error response the connection can stay open until the client ends it", () =>
  withEcho(async (cloud, operator) => {
    cloud.switches.closeAfterError = false;
    await using stream = await upgrade(cloud, operator, { host: "nobody.myapp", port: 1 });
    assert.equal(stream.response.errorCode, "ERR_NGROK_3200");
    assert.equal(cloud.openConnections, 1);
    await stream.conn.closeWrite();
    assert.equal(await stream.readAll(), "");
    await cloud.ingressIdle();
  }));

Deno.test("a backend that is down fails the upgrade, or answers http with a page", async () => {
  await using cloud = await SimulatedCloud.start();
  const operator = await register(cloud);
  cloud.addEndpoint({ url: "http://down.myapp", backend: "down" });
  cloud.addEndpoint({ url: "tcp://down.myapp:1", backend: "down" });
  const code = async (port: number) => {
    await using stream = await upgrade(cloud, operator, { host: "down.myapp", port });
    return stream.response.errorCode;
  };
  assert.deepEqual([await code(80), await code(1)], ["ERR_NGROK_8012", "ERR_NGROK_8012"]);
  cloud.switches.offlineHttp = "page";
  cloud.switches.offlineCode = "ERR_NGROK_3200";
  assert.equal(await code(1), "ERR_NGROK_3200");
  await using stream = await upgrade(cloud, operator, { host: "down.myapp", port: 80 });
  assert.equal(stream.response.proto, "http");
  assert.match(await stream.readAll(), /^HTTP\/1\.1 502 Bad Gateway\r\n[^]*ERR_NGROK_3200/);
});

Deno.test("malformed and unfinished requests are dropped and counted", () =>
  withEcho(async (cloud, operator) => {
    await Promise.all(
      Object.values(MALFORMED_FRAMES).map(async (text) => {
        const conn = await dial(cloud, operator);
        await conn.write(fromHex(text));
        await conn.closeWrite();
        assert.equal((await readToEnd(conn)).length, 0);
        conn.close();
      }),
    );
    assert.equal(cloud.ingressCounts.malformedFrames, 7);
    assert.equal(cloud.upgrades().length, 0);
  }));

Deno.test("the whole reply arrives after the client has half-closed", async () => {
  await using cloud = await SimulatedCloud.start();
  const operator = await register(cloud);
  cloud.addEndpoint({ url: "tcp://source.myapp:1", backend: "source" });
  await using stream = await upgrade(cloud, operator, { host: "source.myapp", port: 1 });
  await stream.write("3000000 7\n");
  await stream.conn.closeWrite();
  assert.equal((await stream.readAll()).length, 3_000_000);
});

Deno.test("streams and connections are counted while they are open", () =>
  withEcho(async (cloud, operator) => {
    const pooled = await dial(cloud, operator);
    const stream = await upgrade(cloud, operator, ECHO);
    while (cloud.openConnections < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.equal(cloud.openStreams, 1);
    stream.conn.close();
    pooled.close();
    await cloud.ingressIdle();
    assert.deepEqual([cloud.openStreams, cloud.openConnections], [0, 0]);
  }));

Deno.test("an idle stream is closed after idleTimeoutMs", () =>
  withEcho(async (cloud, operator) => {
    cloud.switches.idleTimeoutMs = 30;
    await using stream = await upgrade(cloud, operator, ECHO);
    await stream.readAll().catch(() => {});
    await cloud.ingressIdle();
  }));

Deno.test("a backend that does not read makes the client wait", async () => {
  await using cloud = await SimulatedCloud.start();
  const operator = await register(cloud);
  cloud.addEndpoint({ url: "tcp://stall.myapp:1", backend: "stall" });
  const { conn } = await upgrade(cloud, operator, { host: "stall.myapp", port: 1 });
  const block = new Uint8Array(65_536);
  let sent = 0;
  const sending = (async () => {
    while (sent < 256 * 1024 * 1024) sent += await conn.write(block);
  })().catch(() => {});
  // The kernel's buffers take some megabytes; then the writes must stop.
  for (let before = -1; before !== sent;) {
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
  conn.close();
  await sending;
  assert.ok(sent < 32 * 1024 * 1024, `${sent} bytes were taken`);
});
