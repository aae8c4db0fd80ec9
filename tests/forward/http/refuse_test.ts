import assert from "node:assert/strict";
import { httpResponse, sendRefusal } from "../../../src/forward/http/refuse.ts";
import { fakeClock } from "../../fakes/fake_clock.ts";
import { latin1, memoryPair, pattern, readAll, readUntil, send, text } from "../../fakes/memory_stream.ts";

Deno.test("httpResponse() contains the reason and the next step, with the right length", () => {
  const answer = text(
    httpResponse({ status: 502, reason: "Endpoint “a”: offline", nextStep: "ngrokctl status" }),
  );
  const [head, body] = answer.split("\r\n\r\n");
  assert.match(head!, /^HTTP\/1\.1 502 Bad Gateway\r\n/);
  assert.match(head!, new RegExp(`Content-Length: ${new TextEncoder().encode(body).length}\r\n`));
  assert.equal(body, "ngrokd: 502 Bad Gateway\n\nEndpoint “a”: offline\n\nngrokctl status\n");
  const toHead = text(httpResponse({ status: 421, reason: "x", method: "HEAD" }));
  assert.ok(toHead.endsWith("\r\n\r\n"));
  assert.match(toHead, /Content-Length: [1-9]/);
});

Deno.test("sendRefusal() answers, half-closes, and reads until the client ends", async () => {
  const { near, far } = memoryPair();
  const refusing = sendRefusal(far, latin1("no"), { lingerMs: 1000 });
  await send(near, pattern(300_000));
  assert.equal(text(await readAll(near)), "no");
  await near.closeWrite();
  await refusing;
  assert.equal(far.closed, false, "the caller closes it");
});

// gRPC showed "Socket closed" instead of the reason, if the end came right behind it.
Deno.test("sendRefusal() leaves the end to a client that ends by itself", async () => {
  const { near, far } = memoryPair();
  const refusing = sendRefusal(far, latin1("no"), { lingerMs: 1000, endsFirst: false });
  let hasEnded = false;
  const reading = readAll(near).then(() => hasEnded = true);
  await send(near, pattern(300_000));
  await near.closeWrite();
  await refusing;
  assert.equal(hasEnded, false);
  await far.closeWrite();
  await reading;
});

Deno.test("sendRefusal() lingers at most its time with a client that never ends or never reads", async () => {
  using clock = fakeClock();
  const endless = sendRefusal(memoryPair().far, latin1("no"), { lingerMs: 1000 });
  const { far: full } = memoryPair({ highWater: 1 });
  const unread = sendRefusal(full, latin1("no"), { lingerMs: 1000 });
  await clock.pass(1000);
  await Promise.all([endless, unread]);
});

Deno.test("sendRefusal() does not throw if the client is gone", async () => {
  const { near, far } = memoryPair();
  near.reset();
  await sendRefusal(far, latin1("no"), { lingerMs: 1000 });
});

Deno.test("sendRefusal() delivers its answer to a client that is still sending", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [client, server] = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }),
    listener.accept(),
  ]);
  const sending = send(client, pattern(4_000_000)).then(() => client.closeWrite());
  const refusing = sendRefusal(server, httpResponse({ status: 421, reason: "wrong" }), { lingerMs: 5000 });
  assert.match(await readUntil(client, "wrong\n"), /^HTTP\/1\.1 421 /);
  await sending;
  await refusing;
  client.close();
  server.close();
});
