import assert from "node:assert/strict";
import { SimulatedCloud } from "../../sim/cloud/cloud.ts";
import { register, upgrade } from "./raw_client.ts";
import { DEFAULT_SWITCHES, randomSwitches } from "../../sim/cloud/switches.ts";

Deno.test("randomSwitches() yields every value of every switch, and the same for equal seeds", () => {
  const drawn = Array.from({ length: 400 }, (_, seed) => randomSwitches(seed));
  assert.deepEqual(drawn[7], randomSwitches(7));
  for (const name of Object.keys(DEFAULT_SWITCHES) as (keyof typeof DEFAULT_SWITCHES)[]) {
    const values = new Set(drawn.map((switches) => JSON.stringify(switches[name])));
    // Clients could not reach another ingress, so its address never varies.
    if (name === "ingressEndpoint") assert.deepEqual([...values], ['"self"']);
    else assert.ok(values.size > 1, name);
    if (name !== "statusOf") assert.ok(values.has(JSON.stringify(DEFAULT_SWITCHES[name])), name);
  }
  assert.deepEqual(new Set(drawn.map(({ frameWaitMs }) => frameWaitMs)), new Set([1000, 10_000, null]));
  assert.deepEqual(new Set(drawn.map(({ statusOf }) => statusOf["225"])), new Set([429, 503]));
});

Deno.test("a client registers and exchanges bytes whatever the switches are", async () => {
  for (let seed = 0; seed < 8; seed++) {
    await using cloud = await SimulatedCloud.start({ seed, switches: randomSwitches(seed) });
    cloud.addEndpoint({ url: "tcp://echo.myapp:7000", backend: "echo" });
    const operator = await register(cloud);
    await using stream = await upgrade(cloud, operator, { host: "echo.myapp", port: 7000 });
    await stream.write("hello");
    await stream.conn.closeWrite();
    assert.equal(await stream.readAll(), "hello", `seed ${seed}`);
  }
});
