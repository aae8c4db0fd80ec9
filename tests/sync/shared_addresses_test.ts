import assert from "node:assert/strict";
import type { Route } from "../../src/model/route_table.ts";
import { runRound } from "../../src/sync/round.ts";
import { sharedAddresses } from "../../src/sync/shared_addresses.ts";
import { endpoints } from "../fakes/endpoints.ts";
import { route } from "../fakes/routes.ts";
import { ANY_NAME, FakeWorld, NOTHING_SAVED, roundSettings } from "../fakes/sync_effects.ts";

const OPTIONS = { advertiseIp: "", ...ANY_NAME };
const NETWORK = { address: "0.0.0.0", listenInterface: "0.0.0.0" };

/** The services with a warning. */
function warned(...routes: Route[]): string[] {
  return [...sharedAddresses(routes, OPTIONS).keys()].sort();
}

Deno.test("sharedAddresses() warns only of TLS names for which one certificate could be", () => {
  const a = route("https://a.apps.com:443", NETWORK);
  for (
    const [other, expected] of [
      ["https://b.apps.com:443", true],
      ["tls://b.apps.com:443", true],
      ["https://apps.com:443", true],
      ["https://*.apps.com:443", true],
      ["https://x.a.apps.com:443", true],
      ["https://b.other.com:443", false],
      ["https://b.x.apps.com:443", false],
      ["https://other.com:443", false],
      ["https://b.apps.com:8443", false],
      ["http://b.apps.com:443", false],
      ["tcp://b.apps.com:443", false],
    ] as const
  ) {
    const both = route(other, NETWORK);
    assert.deepEqual(
      warned(a, both),
      expected ? ["a.apps.com:443", other.slice(other.indexOf("//") + 2)].sort() : [],
      other,
    );
    assert.deepEqual(warned(a, { ...both, listenInterface: "virtual", address: "10.107.0.3" }), []);
  }
  const registry = ["https://a.com:443", "https://b.com:443", "https://c.co.uk:443", "https://d.co.uk:443"];
  assert.deepEqual(warned(...registry.map((url) => route(url, NETWORK))), []);
});

Deno.test("sharedAddresses() compares the addresses that clients use", () => {
  const at = (url: string, address: string, more: Partial<Route> = {}) =>
    route(url, { address, listenInterface: address, ...more });
  const a = at("https://a.apps.com:443", "192.0.2.1");
  const b = "https://b.apps.com:443";
  assert.deepEqual(warned(a, at(b, "192.0.2.2")), []);
  assert.equal(warned(a, at(b, "192.0.2.1")).length, 2);
  assert.equal(warned(a, route(b, NETWORK)).length, 2, "clients of 192.0.2.1 get that address for b");
  assert.deepEqual(warned(a, route(b, { ...NETWORK, advertisedIp: "192.0.2.2" })), []);
  assert.equal(warned(a, route(b, { ...NETWORK, advertisedIp: "192.0.2.1" })).length, 2);

  // By net.advertise_ip, clients reach names on different addresses at one.
  const behindNat = (...routes: Route[]) =>
    [...sharedAddresses(routes, { ...OPTIONS, advertiseIp: "198.51.100.1" }).values()].map((text) =>
      text.slice(0, text.indexOf(":", 30))
    );
  const expected = ["shares 198.51.100.1:443 with b.apps.com", "shares 198.51.100.1:443 with a.apps.com"];
  assert.deepEqual(behindNat(a, at(b, "192.0.2.2")), expected);
  assert.deepEqual(behindNat(a, at(b, "192.0.2.2", { advertisedIp: "192.0.2.2" })), []);
  assert.deepEqual(behindNat(route(b, NETWORK)), [], "a name does not share with itself");
  // This machine resolves the second name to 127.0.0.1, too.
  assert.equal(behindNat(at(b, "127.0.0.1"), route("https://a.apps.com:443", NETWORK)).length, 2);
});

Deno.test("sharedAddresses() names one of the others and counts the rest, in linear time", () => {
  const many = Array.from({ length: 5000 }, (_, index) => route(`https://a${index}.apps.com:443`, NETWORK));
  const start = performance.now();
  const texts = [...sharedAddresses(many, OPTIONS).values()];
  assert.ok(performance.now() - start < 2000);
  assert.match(texts[0]!, /^shares port 443 with a1\.apps\.com and at least 99 more: .*net\.advertise_ips$/);
  const three = [...sharedAddresses(many.slice(0, 3), OPTIONS).values()];
  assert.match(three[2]!, /^shares port 443 with a0\.apps\.com and 1 more: /);
});

Deno.test("a round spreads names over net.advertise_ips, and warns of those that share (R91)", async () => {
  const world = new FakeWorld();
  const run = async (names: string, advertiseIps: string[], more = {}, saved = NOTHING_SAVED) => {
    const { endpoints: outcomes, saved: next } = await runRound({
      endpoints: endpoints(...names.split(" ").map((name) => `https://${name}.apps.com`)),
      refused: [],
      revision: 1,
      saved,
      settings: roundSettings({
        listenInterface: "0.0.0.0",
        advertiseIps,
        resolveInterface: (name) => name,
        ...more,
      }),
    }, world);
    const rows = outcomes.map(({ endpoint, route, isShared = false, reason }) => {
      const name = endpoint.hostname.slice(0, 1);
      return [name, route?.address, route?.advertisedIp?.at(-1), isShared, reason] as const;
    });
    return { rows, saved: next };
  };
  const brief = (rows: Awaited<ReturnType<typeof run>>["rows"]) =>
    rows.map(([name, address, ip = "-", isShared]) => `${name} ${address} ${ip}${isShared ? "!" : ""}`);

  const alone = await run("a b", []);
  assert.deepEqual(brief(alone.rows), ["a 0.0.0.0 -!", "b 0.0.0.0 -!"]);
  assert.match(alone.rows[0]![4], /shares port 443 with b\.apps\.com: .*use virtual mode, or more addresses/);

  const ips = ["192.0.2.1", "192.0.2.2"];
  const spread = await run("a b", ips);
  assert.deepEqual(brief(spread.rows), ["a 0.0.0.0 1", "b 0.0.0.0 2"]);
  const more = await run("b c d", ips, {}, spread.saved);
  assert.deepEqual(brief(more.rows), ["b 0.0.0.0 2!", "c 0.0.0.0 1", "d 0.0.0.0 2!"]);

  // On one interface, the listener is on the address of the name.
  const resolved = { listenInterface: "eth0", resolveInterface: () => "192.0.2.1" };
  const bound = await run("a b", ips, resolved, spread.saved);
  assert.deepEqual(brief(bound.rows), ["a 192.0.2.1 1", "b 192.0.2.2 2"]);
  assert.deepEqual([...world.open].sort(), ["192.0.2.1:443", "192.0.2.2:443"]);

  const missing = await run("a b", ips, {
    presentIps: [{ interface: "eth0", address: "192.0.2.1" }],
  }, spread.saved);
  assert.deepEqual(missing.rows.map(([, , , , reason]) => reason), [
    "",
    "its address 192.0.2.2 in net.advertise_ips is not an address of this machine now",
  ]);
  const local = await run("a b", ips, { listenInterface: "127.0.0.1", resolveInterface: () => "127.0.0.1" });
  assert.deepEqual(brief(local.rows), ["a 127.0.0.1 -!", "b 127.0.0.1 -!"], "others cannot reach it");
});
