import assert from "node:assert/strict";
import { connect } from "node:net";
import { acceptNext } from "../../src/system/accept_next.ts";
import { listenTcp } from "../../src/system/tcp.ts";

/**
 * Connects and resets the connection at once, so that it waits in the accept queue without a peer.
 */
function connectAndReset(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => socket.resetAndDestroy());
    socket.once("error", reject);
    socket.once("close", () => resolve());
  });
}

function failure(code: string): Error {
  return Object.assign(new Error(`os error: ${code}`), { code });
}

// Each such client made the accept loop wait up to 1 s: behind 100 of them an honest one waited 88
// s.
Deno.test("listenTcp() accepts an honest client right behind 200 that connected and reset", async () => {
  const listener = listenTcp({ address: "127.0.0.1", port: 0 });
  try {
    await Promise.all(Array.from({ length: 200 }, () => connectAndReset(listener.port)));
    const honest = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
    const start = performance.now();
    const accepted = await listener.accept();
    assert.ok(performance.now() - start < 10_000, "the honest client waited");
    assert.equal(accepted.peer, "127.0.0.1");
    accepted.close();
    honest.close();
  } finally {
    listener.close();
  }
});

Deno.test("acceptNext() skips errors of one connection and throws errors of the listener", async () => {
  for (const code of ["ENOTCONN", "ECONNABORTED", "ECONNRESET", "EPROTO", "EPERM", "EHOSTUNREACH"]) {
    const results = [failure(code), failure(code), "next"];
    const next = acceptNext(() => {
      const result = results.shift()!;
      return typeof result === "string" ? Promise.resolve(result) : Promise.reject(result);
    });
    assert.equal(await next, "next");
  }
  for (const code of ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EBADF"]) {
    await assert.rejects(acceptNext(() => Promise.reject(failure(code))), { code });
  }
});
