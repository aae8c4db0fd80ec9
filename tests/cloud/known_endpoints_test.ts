import type { Budget } from "../../src/cloud/client.ts";
import assert from "node:assert/strict";
import { listBoundEndpoints } from "../../src/cloud/bound_endpoints.ts";
import { FakeApi, json } from "../fakes/fake_api.ts";

const PATH = "/kubernetes_operators/k8sop_1/bound_endpoints";

Deno.test("listBoundEndpoints() gives endpoints that are known as they are, and reads those that have changed", async () => {
  let url = "http://a.t";
  await using api = new FakeApi(() =>
    json({
      endpoints: [{ id: "ep_1", url }, { id: "ep_2", url: "http://b.t" }, { id: "ep_3", url: "ftp://c.t" }],
    })
  );
  const first = await listBoundEndpoints(api.client(), "k8sop_1");
  const known = new Map(first.endpoints.map((endpoint) => [endpoint.id, endpoint]));
  url = "http://other.t";
  const second = await listBoundEndpoints(api.client(), "k8sop_1", { known });
  assert.notEqual(second.endpoints[0], first.endpoints[0]);
  assert.equal(second.endpoints[0]!.hostname, "other.t");
  assert.equal(second.endpoints[1], first.endpoints[1]);
  assert.deepEqual(second.refused, first.refused);
});

Deno.test("listBoundEndpoints() waits for its turn before each page, and asks no more when there is none", async () => {
  await using api = new FakeApi(({ path }) =>
    json({ endpoints: [{ id: path, url: "http://a.t" }], next_page_uri: `${PATH}?page=${path.length}` })
  );
  let turns = 0;
  const budget: Budget = {
    take: () => ++turns === 3 ? Promise.reject(new Error("stopped")) : Promise.resolve(),
    failed: () => {},
    listed: () => {},
    waitMs: () => 0,
  };
  await assert.rejects(listBoundEndpoints(api.client({ budget }), "k8sop_1"), /stopped/);
  assert.deepEqual([turns, api.seen.length], [3, 2]);
});

Deno.test("listBoundEndpoints() reads only the pages again whose text has changed, and keeps the pages of the last list", async () => {
  const ids = new Map([[PATH, "ep_1"], [`${PATH}?page=2`, "ep_2"], [`${PATH}?page=3`, "ep_3"]]);
  await using api = new FakeApi(({ path }) => {
    const next = [...ids.keys()][[...ids.keys()].indexOf(path) + 1];
    return json({
      endpoints: [{ id: ids.get(path), url: `http://${ids.get(path)!.replace("_", "")}.t` }],
      ...(next === undefined ? {} : { next_page_uri: next }),
    });
  });
  const pages = new Map();
  const list = () => listBoundEndpoints(api.client(), "k8sop_1", { remembered: pages });
  const first = await list();
  assert.deepEqual([...pages.keys()], [...ids.keys()]);
  ids.set(`${PATH}?page=2`, "ep_9");
  const second = await list();
  assert.deepEqual(
    second.endpoints.map((endpoint) => first.endpoints.includes(endpoint)),
    [true, false, true],
    "a page that is the same gives the same endpoints",
  );
  assert.deepEqual(second.endpoints.map(({ id }) => id), ["ep_1", "ep_9", "ep_3"]);
  ids.delete(`${PATH}?page=3`);
  assert.deepEqual((await list()).endpoints.map(({ id }) => id), ["ep_1", "ep_9"]);
  assert.deepEqual([...pages.keys()], [...ids.keys()]);
  assert.equal((await list()).pages, 2);
});
