import assert from "node:assert/strict";
import fc from "fast-check";
import { cidrsOverlap, formatCidr, parseCidr } from "../../src/lib/ipv4.ts";
import { chooseSubnet } from "../../src/network/choose_subnet.ts";

function choose(wanted: string, routes: string[], remembered?: string, isInUse?: boolean) {
  const choice = chooseSubnet(parseCidr(wanted)!, {
    ...(isInUse === undefined ? {} : { isInUse }),
    routes: routes.map((to) => ({ to: parseCidr(to)!, dev: "veth0" })),
    remembered: remembered === undefined ? undefined : parseCidr(remembered),
  });
  return choice && [formatCidr(choice.subnet), choice.reason];
}

const WANTED = "10.107.0.0/16";

Deno.test("chooseSubnet() takes the wanted subnet if no route longer than /7 leads there", () => {
  for (const routes of [[], ["10.106.0.0/16", "10.108.0.0/15"], ["0.0.0.0/1", "128.0.0.0/1", "8.0.0.0/7"]]) {
    assert.deepEqual(choose(WANTED, routes), [WANTED, undefined]);
  }
});

Deno.test("chooseSubnet() takes another private /16 in a fixed order if it is in use, with a reason", () => {
  const why = "this machine has a route to";
  assert.deepEqual(choose(WANTED, ["10.107.1.1/32"]), [
    "10.108.0.0/16",
    `10.108.0.0/16 is used instead of 10.107.0.0/16: ${why} 10.107.1.1/32 (dev veth0)`,
  ]);
  const cases = [
    [WANTED, ["10.104.0.0/13"], "10.112.0.0/16"],
    [WANTED, ["10.128.0.0/9", "10.64.0.0/10"], "10.0.0.0/16"],
    [WANTED, ["10.0.0.0/8"], "172.16.0.0/16"],
    [WANTED, ["10.0.0.0/8", "172.16.0.0/14", "172.20.3.0/24"], "172.21.0.0/16"],
    [WANTED, ["10.0.0.0/8", "172.16.0.0/12"], "192.168.0.0/16"],
    ["10.255.0.0/24", ["10.255.0.0/24"], "10.0.0.0/16"],
    ["198.18.0.0/24", ["198.18.0.0/15"], "10.108.0.0/16"],
  ] as const;
  for (const [wanted, routes, chosen] of cases) assert.equal(choose(wanted, [...routes])?.[0], chosen);
  assert.equal(choose(WANTED, ["10.0.0.0/8", "172.16.0.0/12", "192.168.1.0/24"]), undefined);
});

Deno.test("chooseSubnet() returns to a free wanted subnet, unless the remembered one is in use", () => {
  assert.deepEqual(choose(WANTED, [], "10.120.0.0/16"), [WANTED, undefined]);
  assert.deepEqual(choose(WANTED, [], "10.120.0.0/16", true), [
    "10.120.0.0/16",
    "10.120.0.0/16 is used instead of 10.107.0.0/16: 10.107.0.0/16 was in use; " +
    "to return to it: ngrokctl rebind",
  ]);
});

Deno.test("chooseSubnet() takes a free remembered choice first, if it could have made it", () => {
  assert.equal(choose(WANTED, ["10.107.0.0/16"], "10.120.0.0/16")?.[0], "10.120.0.0/16");
  assert.equal(choose(WANTED, ["10.120.0.0/16"], "10.120.0.0/16")?.[0], WANTED);
  assert.equal(choose(WANTED, ["10.107.0.0/16", "10.120.0.0/16"], "10.120.0.0/16")?.[0], "10.108.0.0/16");
  for (const hostile of ["0.0.0.0/0", "8.8.0.0/16", "10.0.0.0/8", "127.0.0.0/8", WANTED]) {
    assert.deepEqual(choose(WANTED, [], hostile, true), [WANTED, undefined]);
  }
});

Deno.test("chooseSubnet() never chooses a subnet that overlaps a route", () => {
  const route = fc.tuple(fc.nat(255), fc.nat(255), fc.integer({ min: 8, max: 32 }))
    .map(([a, b, prefix]) => parseCidr(`${a % 3 === 0 ? 172 : 10}.${b}.${a}.0/${prefix}`)!);
  fc.assert(
    fc.property(fc.array(route, { maxLength: 30 }), (routes) => {
      const choice = chooseSubnet(parseCidr(WANTED)!, { routes: routes.map((to) => ({ to, dev: "" })) });
      assert.ok(choice !== undefined && routes.every((to) => !cidrsOverlap(to, choice.subnet)));
    }),
    { seed: 3, numRuns: 200 },
  );
});
