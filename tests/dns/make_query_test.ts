import assert from "node:assert/strict";
import { makeQuery } from "../../src/dns/make_query.ts";
import { decode, TYPES } from "./messages.ts";

Deno.test("makeQuery() makes a query that asks for recursion, and none for a name that is too long", () => {
  const { bytes, name } = makeQuery("www.bank.com", TYPES.A);
  assert.deepEqual([name, decode(bytes).questions[0]!.name, bytes[2]], ["www.bank.com", "www.bank.com", 1]);
  for (const long of [`${"a".repeat(64)}.com`, `${"a.".repeat(130)}com`]) {
    assert.throws(() => makeQuery(long, TYPES.A), RangeError);
  }
});
