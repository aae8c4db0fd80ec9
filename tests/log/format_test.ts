import type { LogRecord } from "@logtape/logtape";
import assert from "node:assert/strict";
import fc from "fast-check";
import { formatRecord } from "../../src/log/format.ts";
import { anyText } from "../fakes/any_text.ts";

const KEY = "2abcDEFghi0JKLmno1PQRstu3VW_4xYz5aBc6dEf7gHi8jK9l";

function record(rawMessage: string, properties: Record<string, unknown> = {}): LogRecord {
  return {
    category: ["ngrokd", "sync"],
    level: "info",
    message: [rawMessage],
    rawMessage,
    timestamp: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
    properties,
  };
}

Deno.test("formatRecord() as text has time, level, category, message and other properties", () => {
  assert.equal(
    formatRecord(
      record("Listening for {url} on {address}", {
        url: "http://a.b",
        address: "127.0.0.2:80",
        id: "ep_1",
        count: 2,
      }),
      "text",
    ),
    '2026-01-02T03:04:05.006Z INFO sync: Listening for http://a.b on 127.0.0.2:80 id="ep_1" count=2\n',
  );
});

Deno.test("formatRecord() as JSON is one object with the properties", () => {
  const line = formatRecord(
    record("Port in use, trying next port", { address: "0.0.0.0", port: 80, error: new Error("why") }),
    "json",
  );
  assert.deepEqual(JSON.parse(line), {
    time: "2026-01-02T03:04:05.006Z",
    level: "info",
    category: "sync",
    message: "Port in use, trying next port",
    address: "0.0.0.0",
    port: 80,
    error: "why",
  });
  assert.equal(line.indexOf("\n"), line.length - 1);
});

Deno.test("formatRecord() keeps texts that scripts search for", () => {
  assert.match(
    formatRecord(record("Port in use, trying next port", { port: 80 }), "text"),
    /: Port in use, trying next port port=80\n$/,
  );
});

Deno.test("formatRecord() shows the message of an error and omits undefined properties", () => {
  assert.equal(
    formatRecord(
      record("Cannot poll the API: {error}", { error: new Error("no answer"), hint: undefined }),
      "text",
    ),
    "2026-01-02T03:04:05.006Z INFO sync: Cannot poll the API: no answer\n",
  );
});

Deno.test("formatRecord() redacts secrets in properties, messages and tagged messages", () => {
  const properties = { api_key: "plain", note: KEY, error: new Error(`refused ${KEY}`) };
  const tagged: LogRecord = {
    ...record("", properties),
    rawMessage: ["Key ", ""] as unknown as TemplateStringsArray,
    message: ["Key ", KEY, ""],
  };
  for (const format of ["text", "json"] as const) {
    for (
      const item of [
        record("Set {api_key}: {note} {error}", properties),
        record("Set", properties),
        record(`Set ${KEY}`),
        tagged,
      ]
    ) {
      const line = formatRecord(item, format);
      assert.equal(line.includes(KEY.slice(0, 12)) || line.includes("plain"), false, line);
    }
  }
});

Deno.test("formatRecord() escapes values that could forge a line or move the cursor", () => {
  const evil = anyText({ maxLength: 30 }).map((text) =>
    `a\n2026 ERROR x\r\u001b[2J\u0085\u009b\u2028\u202e${text}`
  );
  fc.assert(
    fc.property(evil, evil, (first, second) => {
      const item = record("Refused {url}", { url: first, reason: second, nested: { deep: [second] } });
      for (const format of ["text", "json"] as const) {
        const line = formatRecord(item, format);
        assert.equal(line.endsWith("\n"), true);
        // deno-lint-ignore no-control-regex
        assert.doesNotMatch(line.slice(0, -1), /[\u0000-\u001f\u007f-\u009f\u2028-\u202e]/);
      }
      assert.equal(JSON.parse(formatRecord(item, "json")).reason, second);
    }),
    { seed: 20260109, numRuns: 200 },
  );
});

Deno.test("formatRecord() as JSON does not let properties replace its own fields", () => {
  const line = formatRecord(
    record("Real", { time: "never", level: "fatal", category: "x", message: "forged" }),
    "json",
  );
  const { time, level, category, message } = JSON.parse(line);
  assert.deepEqual({ time, level, category, message }, {
    time: "2026-01-02T03:04:05.006Z",
    level: "info",
    category: "sync",
    message: "Real",
  });
});

Deno.test("formatRecord() keeps placeholders without a property", () => {
  assert.match(
    formatRecord(record("A {missing} and {constructor}"), "text"),
    /: A \{missing\} and \{constructor\}\n$/,
  );
});

Deno.test("formatRecord() does not expand placeholders in values", () => {
  assert.match(
    formatRecord(record("Got {a}", { a: "{b} $& $1", b: "no" }), "text"),
    /: Got \{b\} \$& \$1 b="no"\n$/,
  );
});

Deno.test("formatRecord() formats values that JSON cannot express", () => {
  const circular: Record<string, unknown> = {};
  circular["self"] = circular;
  for (const value of [10n, circular, new Map([[1, 2]]), Symbol("x")]) {
    for (const format of ["text", "json"] as const) formatRecord(record("Value {value}", { value }), format);
  }
  assert.match(formatRecord(record("Got {n}", { n: 10n }), "json"), /"n":"10"/);
});

Deno.test("formatRecord() calls the root category ngrokd", () => {
  assert.match(formatRecord({ ...record("x"), category: ["ngrokd"] }, "text"), / INFO ngrokd: x\n$/);
});
