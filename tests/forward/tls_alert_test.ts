import assert from "node:assert/strict";
import { tlsAlert } from "../../src/forward/tls_alert.ts";

Deno.test("tlsAlert() makes fatal alerts", () => {
  assert.deepEqual(tlsAlert("unrecognized_name"), Uint8Array.of(21, 3, 3, 0, 2, 2, 112));
  assert.deepEqual(tlsAlert("decode_error"), Uint8Array.of(21, 3, 3, 0, 2, 2, 50));
});
