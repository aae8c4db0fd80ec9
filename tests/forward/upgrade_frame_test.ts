import assert from "node:assert/strict";
import fc from "fast-check";
import { UpgradeError } from "../../src/model/errors.ts";
import {
  type ConnResponse,
  decodeConnResponse,
  encodeConnRequest,
  frameLength,
} from "../../src/forward/upgrade_frame.ts";
import vectors from "../fixtures/vectors.json" with { type: "json" };
import { fromHex } from "../fakes/memory_stream.ts";

const EMPTY: ConnResponse = { endpointId: "", errorCode: "", errorMessage: "", notices: [] };

function frameOf(id: string): Uint8Array {
  const vector = vectors.find((vector) => vector.id === id);
  assert.ok(vector !== undefined, `no vector ${id}`);
  return fromHex(vector.frame_hex);
}

function decode(frame: Uint8Array): ConnResponse {
  assert.equal(frameLength(frame), frame.length);
  return decodeConnResponse(frame.subarray(2));
}

function isMalformed(error: unknown): boolean {
  return error instanceof UpgradeError && error.code === "malformed";
}

Deno.test("encodeConnRequest() writes the bytes of the vectors", () => {
  const expected: Record<string, { host: string; port: number }> = {
    Q1: { host: "api.myapp", port: 80 },
    Q2: { host: "api.myapp", port: 443 },
    Q3: { host: "db.internal", port: 5432 },
    Q4: { host: "api.myapp", port: 65535 },
    Q7: { host: "a.b.example.com", port: 443 },
    Q8: { host: "", port: 0 },
    Q9: { host: "api.myapp", port: -1 },
  };
  for (const [id, request] of Object.entries(expected)) {
    assert.deepEqual(encodeConnRequest(request), frameOf(id), id);
  }
});

Deno.test("encodeConnRequest() refuses a body that does not fit the length field", () => {
  assert.equal(encodeConnRequest({ host: "a".repeat(65_531), port: 0 }).length, 2 + 65_535);
  assert.throws(
    () => encodeConnRequest({ host: "a".repeat(65_532), port: 0 }),
    (error) => error instanceof UpgradeError && error.code === "too_large",
  );
});

Deno.test("decodeConnResponse() reads the vectors", () => {
  const id = "ep_2xKq0mJ7dXn1sWbT5rYv8uZcAeP";
  const expected: Record<string, Partial<ConnResponse>> = {
    R1: { endpointId: id },
    R2: { endpointId: id },
    R3: { endpointId: "ep_1", notices: ["plan limit near", "cert expires soon"] },
    R4: { errorCode: "ERR_NGROK_3200", errorMessage: "endpoint offline" },
    R5: { errorCode: "ERR_NGROK_3209" },
    R6: { errorMessage: "internal error" },
    R7: { endpointId: "ep_1" },
    R8: {},
    R9: { errorCode: "ERR_NGROK_706", errorMessage: "no endpoint “x:80”" },
    R10: { errorCode: "ERR_NGROK_3200", errorMessage: "x".repeat(400) },
    R11: { endpointId: "ep_1" },
    R12: { errorCode: "ERR_NGROK_3200", errorMessage: "denied", notices: ["n1"] },
  };
  assert.deepEqual(
    Object.keys(expected),
    vectors.filter((vector) => vector.kind === "resp").map((vector) => vector.id),
  );
  for (const [id, response] of Object.entries(expected)) {
    assert.deepEqual(decode(frameOf(id)), { ...EMPTY, ...response }, id);
  }
});

Deno.test("decodeConnResponse() refuses malformed messages N2 to N6", () => {
  const frames = {
    N2: "02000001",
    N3: "02000f01",
    N4: "04000a056162",
    N5: "04000a02fffe",
    N6: "0c0010ffffffffffffffffffff01",
  };
  for (const [id, hex] of Object.entries(frames)) assert.throws(() => decode(fromHex(hex)), isMalformed, id);
});

Deno.test("decodeConnResponse() refuses everything else that the official runtime refuses", () => {
  const bodies: Record<string, string> = {
    "a tag that is cut": "80",
    "a tag that overflows": "ffffffff7f01",
    "a varint that is cut": "30ff",
    "a length that is cut": "0aff",
    "a fixed32 that is cut": "3501",
    "a fixed64 that is cut": "3101020304",
    "an unknown field past the end": "3205ab",
    "a group that does not end": "33",
    "a group that is cut in a varint": "3308ff",
    "a group that ends with another number": "333c",
    "the end of no group": "34",
    "an 11-byte varint in a group": "3308ffffffffffffffffffff0134",
    "an endless nesting": "33".repeat(200),
    "invalid UTF-8 in a notice": "2a030a01ff",
    "invalid UTF-8 in a long text": `228001${"61".repeat(127)}ff`,
    "a notice past its end": "2a030a0561",
  };
  for (const [what, hex] of Object.entries(bodies)) {
    assert.throws(() => decodeConnResponse(fromHex(hex)), isMalformed, what);
  }
});

Deno.test("decodeConnResponse() skips groups, unknown fields and fields of another type", () => {
  const bodies: Record<string, string> = {
    "a group": "3334",
    "nested groups": "333b08013c34",
    "field 1 as a varint": "0805",
    "field 1 as a fixed32": "0d01020304",
    "field 5 as a varint": "2801",
    "an unknown field in a notice": "2a021001",
  };
  for (const [what, hex] of Object.entries(bodies)) {
    const { notices, ...rest } = decodeConnResponse(fromHex(`${hex}0a023a29`));
    assert.deepEqual(rest, { endpointId: ":)", errorCode: "", errorMessage: "" }, what);
    assert.ok(notices.every((notice) => notice === ""));
  }
});

Deno.test("decodeConnResponse() keeps a byte order mark", () => {
  assert.equal(decodeConnResponse(fromHex("2204efbbbf61")).errorMessage, "\ufeffa");
});

Deno.test("decodeConnResponse() returns a value or throws UpgradeError for any bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        decodeConnResponse(bytes);
      } catch (error) {
        assert.ok(isMalformed(error));
      }
    }),
    { seed: 6, numRuns: 2000 },
  );
});

Deno.test("frameLength() waits for both bytes and reads them little-endian", () => {
  assert.equal(frameLength(new Uint8Array(0)), undefined);
  assert.equal(frameLength(Uint8Array.of(5)), undefined);
  assert.equal(frameLength(Uint8Array.of(0, 0)), 2);
  assert.equal(frameLength(Uint8Array.of(0x34, 0x12, 9)), 2 + 0x1234);
  assert.equal(frameLength(Uint8Array.of(0xff, 0xff)), 65_537);
});
