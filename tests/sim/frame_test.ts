import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type ConnRequest,
  type ConnResponse,
  decodeRequest,
  decodeResponse,
  encodeFrame,
  encodeRequest,
  encodeResponse,
  FrameError,
  splitFrame,
} from "../../sim/cloud/frame.ts";
import { fromHex, MALFORMED_FRAMES } from "../../sim/cloud/ingress_response.ts";
import { hex } from "../../sim/cloud/certificate_authority.ts";

interface Vector {
  id: string;
  kind: "req" | "resp";
  frame_hex: string;
  body_len: number;
  decoded: string;
  canonical: boolean;
}

const VECTORS: Vector[] = JSON.parse(
  await Deno.readTextFile(new URL("../fixtures/vectors.json", import.meta.url)),
);

function requestText(request: ConnRequest): string {
  const { host, port, podIdentity: pod } = request;
  let text = (host === "" ? "" : `host: ${JSON.stringify(host)}; `) + (port === 0 ? "" : `port: ${port}; `);
  if (pod === undefined) return text;
  const fields = [["uid", pod.uid], ["name", pod.name], ["namespace", pod.namespace]]
    .map(([name, value]) => value === "" ? "" : `  ${name}: ${JSON.stringify(value)}; `).join("");
  const annotations = Object.entries(pod.annotations).map(([key, value]) =>
    `  annotations {;     key: ${JSON.stringify(key)};     value: ${JSON.stringify(value)};   }; `
  ).join("");
  text += `pod_identity {; ${fields}${annotations}}; `;
  return text;
}

function responseText(response: ConnResponse): string {
  const fields = [
    ["endpoint_id", response.endpointId],
    ["proto", response.proto],
    ["error_code", response.errorCode],
    ["error_message", response.errorMessage],
  ].map(([name, value]) => value === "" ? "" : `${name}: ${JSON.stringify(value)}; `).join("");
  return fields +
    response.notices.map((notice) => `notices {;   Message: ${JSON.stringify(notice)}; }; `).join("");
}

for (const { id, kind, frame_hex, body_len, decoded, canonical } of VECTORS) {
  Deno.test(`vector ${id} is decoded${canonical ? " and encoded" : ""} as docs/protocol.md 3.5 says`, () => {
    const split = splitFrame(fromHex(frame_hex));
    assert.ok(split);
    assert.equal(split.body.length, body_len);
    assert.equal(split.rest.length, 0);
    if (kind === "req") {
      const request = decodeRequest(split.body);
      assert.equal(requestText(request), decoded);
      if (canonical) assert.equal(hex(encodeFrame(encodeRequest(request))), frame_hex);
    } else {
      const response = decodeResponse(split.body);
      assert.equal(responseText(response), decoded);
      if (canonical) assert.equal(hex(encodeFrame(encodeResponse(response))), frame_hex);
    }
  });
}

for (const id of ["N2", "N3", "N4", "N5", "N6"] as const) {
  Deno.test(`the malformed frame ${id} is refused as a request and as a response`, () => {
    const split = splitFrame(fromHex(MALFORMED_FRAMES[id]));
    assert.ok(split);
    assert.throws(() => decodeRequest(split.body), FrameError);
    assert.throws(() => decodeResponse(split.body), FrameError);
  });
}

Deno.test("splitFrame() waits for the rest of the frames N1, N7 and N8", () => {
  for (const text of [MALFORMED_FRAMES.N1, MALFORMED_FRAMES.N7, ""]) {
    assert.equal(splitFrame(fromHex(text)), null);
  }
});

Deno.test("splitFrame() returns the bytes after the frame", () => {
  const split = splitFrame(fromHex("0000" + "c0ffee"));
  assert.deepEqual(split, { body: new Uint8Array(), rest: fromHex("c0ffee") });
});

Deno.test("encodeFrame() refuses a body of 65536 bytes", () => {
  assert.equal(encodeFrame(new Uint8Array(65_535)).length, 65_537);
  assert.throws(() => encodeFrame(new Uint8Array(65_536)), FrameError);
});

Deno.test("any request and any response can be encoded and decoded", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 20 });
  const request = fc.record({ host: text, port: fc.integer() }, { noNullPrototype: true });
  fc.assert(fc.property(request, (value) => assert.deepEqual(decodeRequest(encodeRequest(value)), value)), {
    seed: 1,
  });
  const response = fc.record({
    endpointId: text,
    proto: text,
    errorCode: text,
    errorMessage: text,
    notices: fc.array(text.filter((notice) => notice !== "")),
  }, { noNullPrototype: true });
  fc.assert(
    fc.property(response, (value) => assert.deepEqual(decodeResponse(encodeResponse(value)), value)),
    {
      seed: 2,
    },
  );
});

Deno.test("any bytes decode to a message or throw a FrameError", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      for (const decode of [decodeRequest, decodeResponse]) {
        try {
          decode(bytes);
        } catch (error) {
          assert.ok(error instanceof FrameError);
        }
      }
    }),
    { seed: 3, numRuns: 2000 },
  );
});
