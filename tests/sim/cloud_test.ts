import assert from "node:assert/strict";
import { SimulatedCloud } from "../../sim/cloud/cloud.ts";
import { register, upgrade } from "./raw_client.ts";

Deno.test("a client registers, lists and exchanges bytes with an echo, an http and a tcp endpoint", async () => {
  await using cloud = await SimulatedCloud.start();
  const echo = cloud.addEndpoint({ url: "tcp://echo.myapp:7000", backend: "echo" });
  const http = cloud.addEndpoint({ url: "http://api.myapp", backend: "http" });
  const tcp = cloud.addEndpoint({ url: "tcp://db.myapp:5432", backend: "tcp" });
  const operator = await register(cloud);
  const list = await operator.call("GET", `/kubernetes_operators/${operator.id}/bound_endpoints`);
  assert.deepEqual(list.body.endpoints.map(({ id }: { id: string }) => id), [tcp.id, http.id, echo.id]);

  await using one = await upgrade(cloud, operator, { host: "echo.myapp", port: 7000 });
  assert.equal(one.response.endpointId, echo.id);
  await one.write("hello");
  await one.conn.closeWrite();
  assert.equal(await one.readAll(), "hello");

  await using two = await upgrade(cloud, operator, { host: "api.myapp", port: 80 });
  await two.write("GET /?nonce=7 HTTP/1.1\r\nHost: api.myapp\r\nConnection: close\r\n\r\n");
  const reply = await two.readAll();
  assert.match(reply, /^HTTP\/1\.1 200 OK\r\n/);
  assert.deepEqual([
    JSON.parse(reply.split("\r\n\r\n")[1] ?? "").endpoint_id,
    JSON.parse(reply.split("\r\n\r\n")[1] ?? "").nonce,
  ], [http.id, "7"]);

  await using three = await upgrade(cloud, operator, { host: "db.myapp", port: 5432 });
  await three.write("ping\r\n");
  await three.conn.closeWrite();
  assert.equal(await three.readAll(), `220 ${tcp.id}\r\nping\r\n`);
  assert.deepEqual(cloud.upgrades().map(({ endpointId, outcome }) => [endpointId, outcome]), [
    [echo.id, "ok"],
    [http.id, "ok"],
    [tcp.id, "ok"],
  ]);
});
