import assert from "node:assert/strict";
import { type ChainServer, presentChain } from "../fakes/chain_server.ts";
import { makeCert } from "../fakes/test_ca.ts";
import { type FakeMachine, fakeMachine } from "./fake_machine.ts";
import { pollUntil, serving } from "./serving.ts";
import { statusOf, withDaemon } from "./with_daemon.ts";

/** Leads the daemon to another API, and gives what it says of it. */
async function errorAt(machine: FakeMachine, url: string): Promise<{ error: string; hint: string }> {
  const text = await Deno.readTextFile(machine.configPath);
  await Deno.writeTextFile(machine.configPath, text.replace(/url: "[^"]*"/, `url: "${url}"`));
  machine.signal("SIGHUP");
  await machine.until(`the error of ${url}`, async () => {
    const { api } = await statusOf(machine);
    return api.state === "unreachable" && api.error!.includes(url);
  });
  const { error, hint } = (await statusOf(machine)).api;
  return { error: error!, hint: hint! };
}

/** An https API with a certificate for localhost that nobody vouches for. */
async function strangeApi(): Promise<ChainServer> {
  const stranger = await makeCert({ subject: "CN=Stranger CA", isCa: true });
  return await presentChain([
    await makeCert({ subject: "CN=api", issuer: stranger, names: ["localhost"] }),
    stranger,
  ]);
}

Deno.test("runDaemon() keeps and serves all while the API refuses, resets, cannot be found or verified, and names the cause (F35)", async () => {
  await using strange = await strangeApi();
  await using machine = await fakeMachine("net: {subnet: 127.127.0.0/16}");
  const { cloud } = machine;
  cloud.addEndpoint({ url: "http://api.myapp:8381", backend: "http" });
  const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const nobody = `http://127.0.0.1:${free.addr.port}`;
  free.close();
  await withDaemon(machine, async () => {
    const { stays } = await serving(machine);
    const causes = [
      [nobody, /refused/i],
      ["https://no-such-host.invalid", /dns error|lookup|resolve|name/i],
      [`https://localhost:${strange.port}`, /invalid peer certificate: UnknownIssuer/],
    ] as const;
    for (const [url, says] of causes) {
      const { error, hint } = await errorAt(machine, url);
      assert.match(error, says);
      assert.ok(error.startsWith(`Cannot reach ${url}: `), error);
      assert.match(hint, /^Check this machine's network and api\.url; ngrokd retries automatically$/);
      await stays(url);
    }
    cloud.faults.set({ kind: "reset" });
    const { error } = await errorAt(machine, cloud.apiUrl);
    assert.match(error, /reset|closed/i);
    await stays("reset");
    cloud.faults.clear();
    await pollUntil(machine, ({ state }) => state === "ok");
    await stays("afterwards");
  });
  assert.ok(strange.connections() > 0);
  assert.equal(strange.received(), 0, "no request, and no key, came to an API that is not verified");
});
