import assert from "node:assert/strict";
import { DialError } from "../../src/model/errors.ts";
import { probeChain } from "../../src/system/tls_chain.ts";
import { presentChain } from "../fakes/chain_server.ts";
import { makeCert } from "../fakes/test_ca.ts";

const ca = await makeCert({ subject: "CN=CA", isCa: true });
const leaf = await makeCert({ subject: "CN=x", issuer: ca, names: ["localhost"] });

Deno.test("probeChain() returns at most ten certificates of an untrusted server, and sends nothing", async () => {
  await using server = await presentChain([leaf, ...Array.from({ length: 99 }, () => ca)]);
  const options = { hostname: "localhost", port: server.port, timeoutMs: 5000 };
  const { certificates, byRoots } = await probeChain(options);
  assert.deepEqual([certificates.length, byRoots], [10, "untrusted"]);
  assert.equal(certificates[0]!.toHex(), new Uint8Array(leaf.certificate.rawData).toHex());
  assert.equal(server.received(), 0);
});

Deno.test("probeChain() ends at a silent server after its time, or at once on the signal", async () => {
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const options = { hostname: "localhost", port: silent.addr.port };
  await assert.rejects(
    probeChain({ ...options, timeoutMs: 30 }),
    (error) => error instanceof DialError && /no response within 0\.03 s/.test(error.message),
  );
  const stop = new AbortController();
  const probing = probeChain({ ...options, timeoutMs: 5000, signal: stop.signal });
  stop.abort(new RangeError("enough"));
  await assert.rejects(probing, RangeError);
});
