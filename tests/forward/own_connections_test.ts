import assert from "node:assert/strict";
import { connectTcp } from "../../src/system/tcp.ts";
import { route } from "../fakes/routes.ts";
import { startForwarder } from "../fakes/start_forwarder.ts";

const LOCALHOST = "127.0.0.1";
const ROUTE = route("tcp://db.internal:5432");

Deno.test("Forwarder.endsAt() recognises its own connection, which reaches no ingress", async () => {
  await using it = startForwarder([ROUTE]);
  const target = { address: LOCALHOST, port: it.port };
  assert.equal(await it.forwarder.endsAt(it.key, { target, connect: connectTcp }), true);
  assert.equal(it.forwarder.openConnections, 0);
  assert.equal(it.forwarder.traffic("ep_db.internal").total, 0);
  assert.equal(await it.ask("after"), "after");
});

Deno.test("Forwarder.endsAt() is false for a connection that ends at another program, or nowhere", async () => {
  await using it = startForwarder([ROUTE]);
  const other = Deno.listen({ hostname: LOCALHOST, port: 0 });
  const target = { address: LOCALHOST, port: other.addr.port };
  assert.equal(await it.forwarder.endsAt(it.key, { target, connect: connectTcp, limitMs: 100 }), false);
  other.close();
  assert.equal(await it.forwarder.endsAt(it.key, { target, connect: connectTcp, limitMs: 100 }), false);
});

Deno.test("a client that comes during a check is served as always, and does not pass for it", async () => {
  await using it = startForwarder([ROUTE]);
  using other = Deno.listen({ hostname: LOCALHOST, port: 0 });
  const target = { address: LOCALHOST, port: other.addr.port };
  const checking = it.forwarder.endsAt(it.key, { target, connect: connectTcp, limitMs: 100 });
  assert.equal(await it.ask("meanwhile"), "meanwhile");
  assert.equal(await checking, false);
});
