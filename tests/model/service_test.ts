import assert from "node:assert/strict";
import fc from "fast-check";
import { serviceKey } from "../../src/model/endpoint.ts";
import { groupServices } from "../../src/model/service.ts";
import { endpoint, endpoints } from "../fakes/endpoints.ts";

Deno.test("groupServices() makes one service of a pool, with its members sorted (F45)", () => {
  const pool = [
    endpoint("http://a.b", "ep_3"),
    endpoint("http://A.b:80", "ep_1"),
    endpoint("http://a.b.", "ep_2"),
  ];
  assert.deepEqual(groupServices(pool), {
    services: [{
      hostname: "a.b",
      spelling: "A.b",
      port: 80,
      scheme: "http",
      wildcard: false,
      endpointIds: ["ep_1", "ep_2", "ep_3"],
    }],
    refused: [],
  });
});

Deno.test("groupServices() separates the ports of a name, and a wildcard from a name", () => {
  const { services } = groupServices(endpoints("http://a.b", "tcp://a.b:81", "https://a.b", "https://*.b"));
  assert.deepEqual(services.map(serviceKey), ["*.b:443", "a.b:443", "a.b:80", "a.b:81"]);
});

Deno.test("groupServices() refuses endpoints with another scheme than the oldest, and names it (F45)", () => {
  const { services, refused } = groupServices([
    endpoint("tls://a.b:443", "ep_9"),
    endpoint("https://a.b", "ep_5"),
    endpoint("https://a.b", "ep_7"),
  ]);
  assert.deepEqual(services.map(({ scheme, endpointIds }) => ({ scheme, endpointIds })), [{
    scheme: "https",
    endpointIds: ["ep_5", "ep_7"],
  }]);
  assert.deepEqual(refused.map(({ id }) => id), ["ep_9"]);
  assert.match(refused[0]!.reason, /https:\/\/a\.b \(ep_5\) is older/);
});

Deno.test("groupServices() gives the same result for any order of the list, and loses no endpoint (F45)", () => {
  const url = fc.tuple(
    fc.constantFrom("http", "https", "tls", "tcp"),
    fc.constantFrom("a.t", "b.t", "*.t"),
    fc.constantFrom(80, 443),
  )
    .map(([scheme, name, port]) => `${scheme}://${name}:${port}`);
  fc.assert(
    fc.property(
      fc.array(url, { maxLength: 12 }).map((urls) => endpoints(...urls)).chain((list) =>
        fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))
      ),
      ([list, shuffled]) => {
        const grouping = groupServices(list);
        assert.deepEqual(groupServices(shuffled), grouping);
        const ids = [
          ...grouping.services.flatMap(({ endpointIds }) => endpointIds),
          ...grouping.refused.map(({ id }) => id),
        ];
        assert.deepEqual(ids.sort(), list.map(({ id }) => id));
      },
    ),
    { seed: 20260107, numRuns: 300 },
  );
});
