import assert from "node:assert/strict";
import { BindError } from "../../src/model/errors.ts";
import { serveHttp } from "../../src/system/http_server.ts";

const LOCAL = { address: "127.0.0.1", port: 0 };

Deno.test("serveHttp() answers with the response of the handler", async () => {
  const server = serveHttp(LOCAL, (request) => new Response(new URL(request.url).pathname, { status: 201 }));
  const response = await fetch(`http://127.0.0.1:${server.port}/health`);
  assert.deepEqual([response.status, await response.text()], [201, "/health"]);
  await server.close();
});

Deno.test("serveHttp() answers 500 without the text of a handler error, and keeps serving", async () => {
  let calls = 0;
  const server = serveHttp(LOCAL, () => {
    if (calls++ === 0) throw new Error("top secret");
    return Promise.reject(new Error("top secret"));
  });
  for (let call = 0; call < 2; call++) {
    const response = await fetch(`http://127.0.0.1:${server.port}`);
    assert.deepEqual([response.status, await response.text()], [500, "internal error\n"]);
  }
  assert.equal(calls, 2);
  await server.close();
});

Deno.test("close() does not wait for silent clients or a hanging handler, and frees the port", async () => {
  const entered = Promise.withResolvers<void>();
  const server = serveHttp(LOCAL, () => {
    entered.resolve();
    return new Promise<Response>(() => {});
  });
  const waiting = await Deno.connect({ port: server.port });
  const silent = await Deno.connect({ port: server.port });
  await waiting.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  await entered.promise;
  await server.close();
  waiting.close();
  silent.close();
  await serveHttp({ address: "127.0.0.1", port: server.port }, () => new Response()).close();
});

Deno.test("serveHttp() throws BindError if the port is in use or the address is not local", () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const cases = [["127.0.0.1", listener.addr.port, "in_use"], ["192.0.2.1", 8081, "not_available"]] as const;
  for (const [address, port, reason] of cases) {
    assert.throws(() => serveHttp({ address, port }, () => new Response()), (error) => {
      assert.ok(error instanceof BindError, String(error));
      assert.deepEqual([error.reason, error.address], [reason, `${address}:${port}`]);
      return true;
    });
  }
  listener.close();
});
