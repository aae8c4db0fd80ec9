import assert from "node:assert/strict";
import { cpuTimeMs } from "../fakes/cpu_time.ts";
import fc from "fast-check";
import { redact, redactText } from "../../src/log/redact.ts";

const KEY = `${"2abcDEFghi0JKLmno1PQRstu3VW"}_${"4xYz5aBc6dEf7gHi8jK9l"}`;
const PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIIr\nabc==\n-----END EC PRIVATE KEY-----";

Deno.test("redact() redacts properties that are named like a secret, in any spelling", () => {
  for (
    const key of [
      "key",
      "api_key",
      "apiKey",
      "API-Key",
      "x-api-key",
      "NGROK_API_KEY",
      "authorization",
      "Authorization",
      "proxy-authorization",
      "password",
      "secret",
      "clientSecret",
      "token",
      "access_token",
      "private_key",
      "privateKey",
      "keyPem",
      "key_pem",
    ]
  ) {
    assert.deepEqual(redact({ [key]: "hidden", url: "http://a.b" }), {
      [key]: "[redacted]",
      url: "http://a.b",
    }, key);
  }
});

Deno.test("redact() keeps properties whose names only resemble a secret", () => {
  const properties = {
    monkey: "a",
    sharedListenerKey: "127.0.0.1:80",
    keys: 3,
    tokens: 2,
    address: "127.0.0.2:80",
    id: "ep_2abcDEFghi0JKLmno1PQRstu3VW",
  };
  assert.deepEqual(redact(properties), properties);
});

Deno.test("redact() finds secrets at any depth, in arrays and in errors", () => {
  const found = redact({
    request: { headers: [{ authorization: "x" }], note: `with ${KEY}` },
    error: new Error(`refused: ${KEY}`),
  });
  assert.deepEqual(found, {
    request: { headers: [{ authorization: "[redacted]" }], note: "with [redacted]" },
    error: "refused: [redacted]",
  });
});

Deno.test("redactText() redacts an API key anywhere in a text", () => {
  for (
    const text of [
      KEY,
      `key=${KEY}`,
      `"${KEY}"`,
      `x_${KEY}`,
      `${KEY}_x`,
      `https://a/?k=${KEY}&b`,
      `Bearer ${KEY}`,
      `${KEY},${KEY}`,
      `é${KEY}é`,
    ]
  ) {
    assert.equal(redactText(text).includes(KEY.slice(0, 10)), false, text);
    assert.equal(redactText(text).includes(KEY.slice(-10)), false, text);
  }
});

Deno.test("redactText() redacts the header that the API quotes in its errors", () => {
  assert.equal(
    redactText('The header "Bearer not-a-ngrok-key" is not valid'),
    'The header "Bearer [redacted]" is not valid',
  );
});

Deno.test("redactText() redacts several private keys, and one that is cut off", () => {
  assert.equal(redactText(`a ${PEM} b ${PEM.replaceAll("EC ", "")} c`), "a [redacted] b [redacted] c");
  assert.equal(redactText(`a ${PEM.slice(0, 50)}`), "a [redacted]");
  assert.equal(redactText(JSON.stringify({ key: PEM })).includes("MHcCAQ"), false);
  const certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----";
  assert.equal(redactText(certificate), certificate);
});

Deno.test("redact() makes a JSON value of any value, circular and deep ones too", () => {
  const circular: Record<string, unknown> = { name: "circular" };
  circular["self"] = circular;
  const values = {
    circular,
    big: 10n,
    date: new Date(0),
    url: new URL("http://a.b/"),
    none: undefined,
    nothing: null,
    call: () => 1,
    symbol: Symbol("s"),
    map: new Map(),
    bare: Object.create(null),
  };
  const text = JSON.stringify(redact(values));
  assert.match(text, /"big":"10"/);
  assert.match(text, /1970-01-01T00:00:00\.000Z/);
  assert.match(text, /"url":"http:\/\/a\.b\/"/);
  fc.assert(
    fc.property(
      fc.anything({
        withBigInt: true,
        withDate: true,
        withMap: true,
        withNullPrototype: true,
        withTypedArray: true,
      }),
      (value) => {
        JSON.stringify(redact({ value }));
      },
    ),
    { seed: 20260108, numRuns: 500 },
  );
});

Deno.test("redactText() is fast on a megabyte that resembles the beginning of a secret", () => {
  for (
    const piece of [
      "a",
      "a_",
      "aB1",
      "-----BEGIN ",
      "-----BEGIN PRIVATE KEY-----",
      "Bearer ",
      `${"a".repeat(27)}_`,
    ]
  ) {
    const started = cpuTimeMs();
    redactText(piece.repeat(1_000_000 / piece.length));
    assert.ok(cpuTimeMs() - started < 4000, `${piece}: ${cpuTimeMs() - started} ms`);
  }
});

// A next_page_uri of 100 kB made a line of 100 kB.
Deno.test("redact() cuts long texts and lists, after the secrets in them", () => {
  const long = "x".repeat(4090) + ` ${KEY} ` + "y".repeat(100_000);
  const { text, error, list } = redact({
    text: long,
    error: new Error(long),
    list: Array.from({ length: 10_000 }, (_, index) => index),
  }) as { text: string; error: string; list: unknown[] };
  for (const cut of [text, error]) {
    assert.ok(cut.length < 4200, `${cut.length} characters`);
    assert.match(cut, /… \(104[0-9]{3} characters\)$/);
    assert.ok(!cut.includes(KEY.slice(0, 6)), "a part of the key is shown");
  }
  assert.equal(list.length, 101);
  assert.equal(list.at(-1), "… (10000 items)");
});
