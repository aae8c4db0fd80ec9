import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";
import { exchange, get } from "../e2e/client.ts";
import { HostilePage } from "../fakes/hostile_page.ts";
import { latin1, text } from "../fakes/memory_stream.ts";

/** A daemon with an endpoint on a virtual address, and one with a port of its own. */
async function openStage() {
  const stage = await Stage.open({
    net: (network) => `start_port: 19380\noverrides: {wire.myapp: ${network.address("255.1")}}\n`,
  });
  try {
    stage.cloud.addEndpoint({ url: "http://api.myapp:8181", backend: "http" });
    stage.cloud.addEndpoint({ url: "http://wire.myapp:8182", backend: "http" });
    stage.startDaemon();
    const rows = await stage.active(2);
    const virtual = rows.find(({ url }) => url === "http://api.myapp:8181")!.listen_address;
    const wire = rows.find(({ url }) => url === "http://wire.myapp:8182")!;
    const port = /by IP address on port ([0-9]+)/.exec(wire.reason ?? "")?.[1];
    assert.ok(port !== undefined, JSON.stringify(wire));
    return { stage, virtual, own: `${wire.listen_address.split(":")[0]}:${port}` };
  } catch (error) {
    await stage[Symbol.asyncDispose]();
    throw error;
  }
}

/** The page's script: it reports the status that each attack came to, or the name of its error. */
function attackFrom(targets: { virtual: string; own: string }): string {
  return `
    const report = {};
    const status = (asked) => asked.then((response) => response.status, (error) => error.name);
    const open = (url) => new Promise((resolve) => {
      const socket = new WebSocket(url);
      socket.onopen = () => resolve("open");
      socket.onerror = () => resolve("error");
    });
    for (const [name, target] of Object.entries(${JSON.stringify(targets)})) {
      const rebound = "/to/" + target + "/";
      report[name] = {
        read: await status(fetch(rebound + "read")),
        change: await status(fetch(rebound + "change", { method: "POST", body: "x" })),
        socket: await open("ws://" + location.host + rebound + "socket"),
        // An opaque answer has the status 0. What counts is that the endpoint never sees it.
        crossSite: await status(fetch("http://" + target + "/cross-site-change", {
          method: "POST", mode: "no-cors", body: "x",
        })),
        preflight: await status(fetch("http://" + target + "/preflight", { method: "DELETE" })),
        crossSiteSocket: await open("ws://" + target + "/cross-site-socket"),
      };
    }
    const collector = "http://collector.example:" + location.port;
    await fetch(collector + "/report", { method: "POST", mode: "no-cors", body: JSON.stringify(report) });
  `;
}

// The Host of every request was rewritten, so that the endpoint saw its own name and answered.
Deno.test("a page in Chromium that rebinds its name reads, changes and opens nothing (R59, R60, R61)", async () => {
  const { stage, ...targets } = await openStage();
  await using _stage = stage;
  await using page = new HostilePage(attackFrom(targets));
  const results = {
    read: 421,
    change: 421,
    socket: "error",
    crossSite: 0,
    preflight: "TypeError",
    crossSiteSocket: "error",
  };
  assert.deepEqual(await page.open(), { virtual: results, own: results });
  const seen = stage.cloud.backendRequests().map(({ method, target }) => `${method} ${target}`);
  assert.deepEqual(seen, ["OPTIONS /preflight", "OPTIONS /preflight"], "only the endpoint can answer these");
  // The same endpoints serve those who use their names, and programs that use addresses.
  for (const host of [targets.virtual, "localhost", "api.myapp:8181"]) {
    assert.equal((await get(targets.virtual, host)).status, 200, host);
  }
});

Deno.test("no request of a connection reaches an endpoint under a rebound name (R59, R60)", async () => {
  const { stage, virtual, own } = await openStage();
  await using _stage = stage;
  const rebound = "rebound.example";
  const attacks: Record<string, [status: number, request: string]> = {
    "a name": [421, `GET / HTTP/1.1\r\nHost: ${rebound}\r\n\r\n`],
    "a name with the right port": [421, `GET / HTTP/1.1\r\nHost: ${rebound}:8181\r\n\r\n`],
    "upper case and a final dot": [421, "GET / HTTP/1.1\r\nHost: REBOUND.example.\r\n\r\n"],
    "a punycode name": [421, "GET / HTTP/1.1\r\nHost: xn--bcher-kva.example\r\n\r\n"],
    "a name that begins like an address": [421, `GET / HTTP/1.1\r\nHost: 127.0.0.1.${rebound}\r\n\r\n`],
    "HTTP/1.0": [421, `GET / HTTP/1.0\r\nHost: ${rebound}\r\n\r\n`],
    "an absolute target": [421, `GET http://${rebound}/ HTTP/1.1\r\nHost: api.myapp:8181\r\n\r\n`],
    "a WebSocket": [421, `GET / HTTP/1.1\r\nHost: ${rebound}\r\nUpgrade: websocket\r\n\r\n`],
    "a preflight": [421, `OPTIONS / HTTP/1.1\r\nHost: ${rebound}\r\nOrigin: http://${rebound}\r\n\r\n`],
    "a form": [
      403,
      "POST / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://x.example\r\nContent-Length: 0\r\n\r\n",
    ],
    "a form without Origin": [
      403,
      "POST / HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\n\r\n",
    ],
  };
  const good = "GET /good HTTP/1.1\r\nHost: localhost\r\n\r\n";
  let reached = 0;
  for (const address of [virtual, own]) {
    for (const [name, [status, request]] of Object.entries(attacks)) {
      const first = text(await exchange(address, latin1(request)));
      assert.match(first, new RegExp(`^HTTP/1\\.1 ${status} `), name);
      assert.match(first, /\r\nConnection: close\r\n[^]*net\.allow_hosts/, name);
      const second = text(await exchange(address, latin1(good + request)));
      assert.match(second, new RegExp(`^HTTP/1\\.1 200 [^]*HTTP/1\\.1 ${status} `), `${name}, second`);
      reached++;
    }
  }
  const seen = stage.cloud.backendRequests().map(({ target }) => target);
  assert.deepEqual(seen, Array(reached).fill("/good"));
});
