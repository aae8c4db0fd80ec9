import assert from "node:assert/strict";
import { ForbiddenHost, foreignUrls } from "../fakes/fake_api.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { withDaemon } from "../fakes/with_daemon.ts";
import { pollUntil, whileServing } from "./served_endpoint.ts";

const LIST = "bound_endpoints.list";
const DEFAULT_INGRESS = "kubernetes-binding-ingress.ngrok.io:443";
const REDIRECTS: readonly (readonly [status: number, location: (other: string) => string])[] = [
  [301, (other) => `${other}/x`],
  [302, (other) => `//${new URL(other).host}/x`],
  [303, () => "https://other.example/"],
  [307, () => "file:///etc/passwd"],
  [308, () => ""],
];

Deno.test("runDaemon() requests the next page only from the API, and keeps serving (F40)", async () => {
  await using other = new ForbiddenHost();
  await whileServing(async ({ machine, cloud, id, assertServed }) => {
    let last: string | null = null;
    for (const url of foreignUrls(cloud.apiUrl, other)) {
      const text = JSON.stringify({ endpoints: [{ id, url: "http://api.myapp:8351" }], next_page_uri: url });
      cloud.faults.set({ kind: "text_body", route: LIST, text });
      const { error, hint } = await pollUntil(machine, ({ error }) => error !== last);
      last = error;
      assert.match(
        error!,
        /^Cannot list the bound endpoints: ".*" is not at http:\/\/127\.0\.0\.1:\d+$/,
        url,
      );
      assert.match(hint!, /api\.url/);
      await assertServed(url);
      cloud.faults.clear();
    }
  });
  assert.equal(other.connections, 0);
});

for (const value of ["loop", "endless", "endless_fresh"] as const) {
  Deno.test(`runDaemon() stops reading a list with ${value} pages and keeps serving (F40)`, () =>
    whileServing(async ({ machine, cloud, assertServed }) => {
      const first = cloud.requests().length;
      cloud.faults.set({ kind: "next_page_uri", route: LIST, value });
      if (value === "endless_fresh") {
        // The request budget of a minute is spent before the limit of 200 pages.
        await machine.until("the budget is spent", () => cloud.requests().length - first >= 50);
        await assertServed(value);
        assert.ok(cloud.requests().length - first <= 120);
        return;
      }
      const { error } = await pollUntil(machine, ({ state }) => state === "failing");
      assert.match(
        error!,
        /^Cannot list the bound endpoints: (?:a page repeats|the next page is one that was read)$/,
      );
      await assertServed(value);
    }));
}

Deno.test("runDaemon() follows no redirect of a poll, a renewal or a key check, and keeps serving (F41)", async () => {
  await using other = new ForbiddenHost();
  await whileServing(async ({ machine, cloud, assertServed }) => {
    for (const [status, locationFor] of REDIRECTS) {
      const location = locationFor(other.url);
      cloud.faults.set({ kind: "redirect", location, status });
      const answer = await machine.request("set-api-key", [cloud.addApiKey()]);
      assert.match(
        answer.error!,
        /^Cannot verify the API key: http:.* redirects to ".*", which is not followed$/,
      );
      const renewal = await machine.request("refresh-cert", ["--force"]);
      assert.match(
        renewal.error!,
        /^Cannot renew the certificate: http:.* redirects to ".*", which is not followed$/,
      );
      cloud.faults.clear();
      cloud.faults.set({ kind: "redirect", location, status, route: LIST });
      const { error } = await pollUntil(machine, ({ state }) => state === "failing");
      assert.ok(error!.endsWith(`redirects to "${location}", which is not followed`), error!);
      await assertServed(`${status}`);
      cloud.faults.clear();
      await pollUntil(machine, ({ state }) => state === "ok");
    }
  });
  assert.equal(other.connections, 0);
});

Deno.test("runDaemon() follows no redirect of a registration, and registers once there is none (F41)", async () => {
  await using other = new ForbiddenHost();
  await using machine = await FakeMachine.create();
  const { cloud } = machine;
  const route = "operators.create";
  cloud.faults.set({ kind: "redirect", location: other.url, status: 307, route, times: 1 });
  await withDaemon(machine, () => {
    assert.match(machine.logText, /Cannot register with ngrok: .* redirects to /);
    assert.deepEqual(cloud.operators().map(({ deleted }) => deleted), [false]);
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
    "ingress.example:99999",
    "not a host:443",
    "*.x.example:443",
  ]
) {
  Deno.test(`runDaemon() does not dial the ingress ${JSON.stringify(value.slice(0, 30))} (F41)`, async () => {
    await using machine = await FakeMachine.create({ ingress: "" });
    const { cloud } = machine;
    cloud.faults.set({ kind: "ingress_endpoint", value });
    await withDaemon(machine, async () => {
      assert.equal((await machine.askStatus()).ingress_endpoint, DEFAULT_INGRESS);
    });
    // deno-lint-ignore no-control-regex
    assert.ok(!/\x1b|a{400}/.test(machine.logText));
  });
}

// A tcp endpoint led to itself.
Deno.test("runDaemon() does not dial localhost because a remote API names it (F41)", async () => {
  await using machine = await FakeMachine.create({ ingress: "" });
  const { cloud } = machine;
  const remote = "https://127.example";
  await machine.editConfig(cloud.apiUrl, remote);
  cloud.faults.set({ kind: "ingress_endpoint", value: "localhost:8345" });
  cloud.addEndpoint({ url: "tcp://db.myapp:8345", backend: "echo" });
  const { sendHttp } = machine.system;
  machine.override({
    holds: () => true,
    sendHttp: ({ url, ...request }) => sendHttp({ ...request, url: url.replace(remote, cloud.apiUrl) }),
  });
  await withDaemon(machine, async () => {
    const { registered, ingress_endpoint } = await machine.askStatus();
    assert.deepEqual([registered, ingress_endpoint], [true, DEFAULT_INGRESS]);
  });
});
