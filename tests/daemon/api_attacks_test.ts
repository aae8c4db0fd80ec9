import assert from "node:assert/strict";
import type { System } from "../../src/system/system.ts";
import { ForbiddenHost, foreignUrls } from "../fakes/fake_api.ts";
import { fakeMachine } from "./fake_machine.ts";
import { pollUntil, serving } from "./serving.ts";
import { statusOf, withDaemon } from "./with_daemon.ts";

const REDIRECTS = [301, 302, 303, 307, 308];
/** What a list of one page has, so that nothing but its next page is wrong. */
const ENDPOINTS = [{ id: "ep_1", url: "http://api.myapp:8341" }];

for (const half of [0, 1]) {
  Deno.test(`runDaemon() asks no other host, port, scheme or file for the next page, keeps all and names it, ${half + 1} of 2 (F40)`, async () => {
    await using other = new ForbiddenHost();
    await using machine = await fakeMachine(`net: {subnet: 127.${124 + half}.0.0/16}`);
    const { cloud, out } = machine;
    cloud.addEndpoint({ url: "http://api.myapp:8341", backend: "http" });
    await withDaemon(machine, async () => {
      const { stays } = await serving(machine);
      let last: string | null = null;
      for (const url of foreignUrls(cloud.apiUrl, other).filter((_, index) => index % 2 === half)) {
        const text = JSON.stringify({ endpoints: ENDPOINTS, next_page_uri: url });
        cloud.faults.set({ kind: "text_body", route: "bound_endpoints.list", text });
        const { error, hint } = await pollUntil(machine, ({ error }) => error !== last);
        last = error;
        assert.match(
          error!,
          /^Cannot list the bound endpoints: ".*" is not at http:\/\/127\.0\.0\.1:\d+$/,
          url,
        );
        assert.match(hint!, /api\.url/);
        await stays(url);
        cloud.faults.clear();
      }
    });
    assert.equal(other.connections, 0);
    assert.ok(!out.join("").includes(cloud.apiKey));
  });
}

for (const value of ["loop", "endless", "endless_fresh"] as const) {
  Deno.test(`runDaemon() ends a list whose pages are of the kind "${value}", keeps all and says so (F40)`, async () => {
    await using machine = await fakeMachine("net: {subnet: 127.126.0.0/16}");
    const { cloud } = machine;
    cloud.addEndpoint({ url: "http://api.myapp:8342", backend: "http" });
    await withDaemon(machine, async () => {
      const { stays } = await serving(machine);
      const first = cloud.requests().length;
      cloud.faults.set({ kind: "next_page_uri", route: "bound_endpoints.list", value });
      if (value === "endless_fresh") {
        // 200 pages are beyond what a minute allows: the list waits for its turn, and all is served meanwhile.
        await machine.until("the budget is used up", () => cloud.requests().length - first >= 50);
        await stays(value);
        assert.ok(cloud.requests().length - first <= 120);
        return;
      }
      const { error } = await pollUntil(machine, ({ state }) => state === "failing");
      assert.match(
        error!,
        /^Cannot list the bound endpoints: (?:a page repeats|the next page is one that was read)$/,
      );
      await stays(value);
    });
  });
}

Deno.test("runDaemon() follows no redirect of a poll, a renewal, or the look at a key, and its key goes nowhere else (F41)", async () => {
  await using other = new ForbiddenHost();
  await using machine = await fakeMachine("net: {subnet: 127.127.0.0/16}");
  const { cloud, out } = machine;
  cloud.addEndpoint({ url: "http://api.myapp:8343", backend: "http" });
  const places = [
    `${other.url}/x`,
    `//${new URL(other.url).host}/x`,
    "https://other.example/",
    "file:///etc/passwd",
    "",
  ];
  await withDaemon(machine, async () => {
    const { stays } = await serving(machine);
    for (const [index, status] of REDIRECTS.entries()) {
      const location = places[index]!;
      cloud.faults.set({ kind: "redirect", location, status });
      const answer = await machine.ask("set-api-key", [cloud.addApiKey()]);
      assert.match(
        answer.error!,
        /^Cannot verify the API key: http:.* redirects to ".*", which is not followed$/,
      );
      const renewal = await machine.ask("refresh-cert", ["--force"]);
      assert.match(
        renewal.error!,
        /^Cannot renew the certificate: http:.* redirects to ".*", which is not followed$/,
      );
      cloud.faults.clear();
      cloud.faults.set({ kind: "redirect", location, status, route: "bound_endpoints.list" });
      const { error } = await pollUntil(machine, ({ state }) => state === "failing");
      assert.ok(error!.endsWith(`redirects to "${location}", which is not followed`), error!);
      await stays(`${status}`);
      cloud.faults.clear();
      await pollUntil(machine, ({ state }) => state === "ok");
    }
  });
  assert.equal(other.connections, 0);
  assert.ok(!out.join("").includes(cloud.apiKey));
});

Deno.test("runDaemon() follows no redirect of a registration, says so, and registers once there is none (F41)", async () => {
  await using other = new ForbiddenHost();
  await using machine = await fakeMachine("net: {subnet: 127.128.0.0/16}");
  const { cloud, out } = machine;
  cloud.faults.set({
    kind: "redirect",
    location: other.url,
    status: 307,
    route: "operators.create",
    times: 1,
  });
  await withDaemon(machine, () => {
    assert.match(out.join(""), /Cannot register with ngrok: .* redirects to /);
    assert.deepEqual(cloud.operators().map(({ deleted }) => deleted), [false]);
    return Promise.resolve();
  });
  assert.equal(other.connections, 0);
});

for (
  const value of [
    "127.129.0.2:8344",
    "other.example:443\n",
    "\x1b[2Jlocalhost:443",
    "localhost:0",
    "user@localhost:443",
    "a".repeat(1 << 20),
  ]
) {
  Deno.test(`runDaemon() does not dial an ingress that the API names ${JSON.stringify(value.slice(0, 30))} (F41)`, async () => {
    await using machine = await fakeMachine("net: {subnet: 127.129.0.0/16}");
    const { cloud, configPath, out } = machine;
    const text = await Deno.readTextFile(configPath);
    await Deno.writeTextFile(configPath, text.replace(/^ingressEndpoint: .*\n/m, ""));
    cloud.faults.set({ kind: "ingress_endpoint", value });
    cloud.addEndpoint({ url: "http://api.myapp:8344", backend: "http" });
    await withDaemon(machine, async () => {
      const { ingress_endpoint } = await statusOf(machine);
      assert.equal(ingress_endpoint, "kubernetes-binding-ingress.ngrok.io:443");
    });
    // deno-lint-ignore no-control-regex
    assert.ok(!/\x1b|a{400}/.test(out.join("")));
  });
}

Deno.test("runDaemon() does not dial localhost because an API elsewhere names it (a tcp endpoint led to itself) (F41)", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.129.0.0/16}");
  const { cloud, configPath } = machine;
  const remote = "https://127.example";
  const text = await Deno.readTextFile(configPath);
  await Deno.writeTextFile(
    configPath,
    text.replace(/^ingressEndpoint: .*\n/m, "").replace(cloud.apiUrl, remote),
  );
  cloud.faults.set({ kind: "ingress_endpoint", value: "localhost:8345" });
  cloud.addEndpoint({ url: "tcp://db.myapp:8345", backend: "echo" });
  const system: System = {
    ...machine.system,
    holds: () => true,
    sendHttp: ({ url, ...request }) =>
      machine.system.sendHttp({ ...request, url: url.replace(remote, cloud.apiUrl) }),
  };
  await withDaemon({ ...machine, system }, async () => {
    await machine.until("it is registered", async () => (await statusOf(machine)).registered);
    assert.equal((await statusOf(machine)).ingress_endpoint, "kubernetes-binding-ingress.ngrok.io:443");
  });
});
