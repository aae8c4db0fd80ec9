import assert from "node:assert/strict";
import { freePort } from "../../sim/daemon_harness.ts";
import { type ChainServer, presentChain } from "../fakes/chain_server.ts";
import type { FakeMachine } from "../fakes/fake_machine.ts";
import { makeCert } from "../fakes/test_ca.ts";
import { pollUntil, whileServing } from "./served_endpoint.ts";

/** Sets another API URL, and returns the error and the hint in the status. */
async function errorAt(machine: FakeMachine, url: string): Promise<{ error: string; hint: string }> {
  await machine.reloadWith(/url: .*/, `url: ${url}`);
  await machine.until(`the error of ${url}`, async () => {
    const { api } = await machine.askStatus();
    return api.state === "unreachable" && api.error!.includes(url);
  });
  const { error, hint } = (await machine.askStatus()).api;
  return { error: error!, hint: hint! };
}

/** An https API with a certificate for localhost whose CA is not trusted. */
async function untrustedApi(): Promise<ChainServer> {
  const ca = await makeCert({ subject: "CN=Stranger CA", isCa: true });
  return await presentChain([await makeCert({ subject: "CN=api", issuer: ca, names: ["localhost"] }), ca]);
}

Deno.test("runDaemon() serves and names the cause while the API refuses, resets or is not verified (F35)", async () => {
  await using untrusted = await untrustedApi();
  await whileServing(async ({ machine, cloud, assertServed }) => {
    const causes = [
      [`http://127.0.0.1:${freePort()}`, /refused/i],
      ["https://no-such-host.invalid", /dns error|lookup|resolve|name/i],
      [`https://localhost:${untrusted.port}`, /invalid peer certificate: UnknownIssuer/],
    ] as const;
    for (const [url, expected] of causes) {
      const { error, hint } = await errorAt(machine, url);
      assert.match(error, expected);
      assert.ok(error.startsWith(`Cannot reach ${url}: `), error);
      assert.match(hint, /^Check this machine's network and api\.url; ngrokd retries automatically$/);
      await assertServed(url);
    }
    cloud.faults.set({ kind: "reset" });
    const { error } = await errorAt(machine, cloud.apiUrl);
    assert.match(error, /reset|closed/i);
    await assertServed("reset");
    cloud.faults.clear();
    await pollUntil(machine, ({ state }) => state === "ok");
    await assertServed("afterwards");
  });
  assert.ok(untrusted.connections() > 0);
  assert.equal(untrusted.received(), 0, "an API that is not verified gets no request and no key");
});
