import assert from "node:assert/strict";
import { CelError, compileCel } from "../../sim/cloud/cel.ts";

const ENDPOINT = {
  id: "ep_1",
  url: "tcp://db.staging.myapp:5432",
  type: "cloud",
  proto: "tcp",
  port: 5432,
  metadata: "",
  bindings: ["kubernetes"],
  pooling_enabled: false,
};

const CASES: [string, boolean][] = [
  ["true", true],
  ["false", false],
  ["!false", true],
  ['endpoint.url.contains(".staging")', true],
  ["endpoint.url.contains('myservice')", false],
  ["!endpoint.url.contains('*')", true],
  ['endpoint.url.startsWith("tcp://") && endpoint.url.endsWith(":5432")', true],
  ["endpoint.url.matches('^tcp://[a-z.]+:[0-9]{4}$')", true],
  ["endpoint.url.matches('^http')", false],
  ['endpoint.type == "cloud"', true],
  ['endpoint.type != "cloud"', false],
  ["endpoint.port == 5432", true],
  ['"kubernetes" in endpoint.bindings', true],
  ['endpoint.proto in ["http", "tls"]', false],
  ['endpoint.proto in ["http", "tcp"]', true],
  ["false && false || true", true],
  ["false && (false || true)", false],
  ["endpoint.pooling_enabled", false],
  ["endpoint.pooling_enabled == false", true],
  ['endpoint.metadata == ""', true],
  [`"a\\"\\n" == 'a"\\n'`, true],
];

const INVALID = [
  "",
  "endpoint",
  "endpoint.nothing",
  "endpoint.url",
  "unknown.url == 'a'",
  "endpoint.url.contains(",
  "endpoint.url.contains('a'",
  "endpoint.url.reverse('a')",
  "endpoint.port.contains('a')",
  "endpoint.url == 1",
  "endpoint.url in 'abc'",
  "endpoint.url.matches('(')",
  "true true",
  "true &&",
  "1",
  "'a' && true",
  'endpoint.url == "open',
  "true; false",
  "(true",
  "!'a'",
];

Deno.test("compileCel() evaluates the documented operators and functions", () => {
  for (const [source, expected] of CASES) assert.equal(compileCel(source)(ENDPOINT), expected, source);
});

Deno.test("compileCel() refuses other expressions", () => {
  for (const source of INVALID) assert.throws(() => compileCel(source), CelError, source);
});
