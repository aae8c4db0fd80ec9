import assert from "node:assert/strict";
import { sleep } from "../../src/system/clock.ts";
import { dialInOrder } from "../../src/system/dial_in_order.ts";
import { ApiError } from "../../src/model/errors.ts";
import { sendHttp } from "../../src/system/http.ts";
import { forgetAddresses, hasWorkingAddress, noteAddress } from "../../src/system/working_address.ts";
import { fakeClock } from "../fakes/fake_clock.ts";

const WHERE = { hostname: "ingress.invalid", port: 443 };
const KNOWN = "192.0.2.7";
const OTHER = "192.0.2.8";

/** An attempt, which opens or fails after some milliseconds. */
type Script = { readonly ms: number; readonly fails?: boolean };

/** Dials with scripted attempts; returns what opened and what was closed. */
async function dial(known: Script, byName: Script) {
  using time = fakeClock();
  noteAddress(WHERE, { address: KNOWN, tookMs: 160, order: undefined });
  const closed: string[] = [];
  const begun: string[] = [];
  const dialling = dialInOrder(WHERE, {
    async open({ hostname }) {
      begun.push(hostname);
      const { ms, fails = false } = hostname === KNOWN ? known : byName;
      await sleep(ms);
      if (fails) throw new Error(`${hostname} fails`);
      const address = hostname === KNOWN ? KNOWN : OTHER;
      const remoteAddr: Deno.NetAddr = { transport: "tcp", hostname: address, port: 443 };
      return { remoteAddr, address, close: () => void closed.push(address) };
    },
  }).then(({ address }) => address, (error) => String(error.message));
  await time.pass(1000);
  const isKnown = hasWorkingAddress(WHERE);
  forgetAddresses();
  return { result: await dialling, begun, closed, isKnown };
}

const ROWS: Record<string, [known: Script, byName: Script, expected: Awaited<ReturnType<typeof dial>>]> = {
  "a fast one, alone": [
    { ms: 290 },
    { ms: 10 },
    { result: KNOWN, begun: [KNOWN], closed: [], isKnown: true },
  ],
  // A slow link was taken for a dead address.
  "a slow one beside the name": [
    { ms: 420 },
    { ms: 420 },
    { result: KNOWN, begun: [KNOWN, WHERE.hostname], closed: [OTHER], isKnown: true },
  ],
  "none that is slower than the name": [
    { ms: 900 },
    { ms: 10 },
    { result: OTHER, begun: [KNOWN, WHERE.hostname], closed: [KNOWN], isKnown: false },
  ],
  "none that fails": [
    { ms: 10, fails: true },
    { ms: 10 },
    { result: OTHER, begun: [KNOWN, WHERE.hostname], closed: [], isKnown: false },
  ],
  "a slow one when the name fails": [
    { ms: 500 },
    { ms: 10, fails: true },
    { result: KNOWN, begun: [KNOWN, WHERE.hostname], closed: [], isKnown: true },
  ],
  "none if all fail": [
    { ms: 10, fails: true },
    { ms: 10, fails: true },
    { result: `${WHERE.hostname} fails`, begun: [KNOWN, WHERE.hostname], closed: [], isKnown: false },
  ],
};

for (const [what, [known, byName, expected]] of Object.entries(ROWS)) {
  Deno.test(`dialInOrder() uses the known address: ${what}`, async () => {
    assert.deepEqual(await dial(known, byName), expected);
  });
}

// It was dialled first for up to 10 minutes, and accepted connections to no end.
Deno.test("sendHttp() forgets an address that accepts connections and does no more (R96)", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const accepted = listener.accept().then((conn) => conn.close());
  const where = { hostname: "api.invalid", port };
  noteAddress(where, { address: "127.0.0.1", tookMs: 160, order: undefined });
  const sent = sendHttp({
    ...{ method: "GET", url: `https://${where.hostname}:${port}/`, headers: {} },
    ...{ timeoutMs: 5000, maxBodyBytes: 100 },
  });
  await assert.rejects(sent, ApiError);
  await accepted;
  assert.equal(hasWorkingAddress(where), false);
});
