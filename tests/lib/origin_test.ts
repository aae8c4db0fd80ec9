import assert from "node:assert/strict";
import { parseOrigin } from "../../src/lib/origin.ts";

Deno.test("parseOrigin() returns one spelling of an origin, and undefined for other texts", () => {
  const origins: Record<string, string> = {
    "http://localhost:3000": "http://localhost:3000",
    "HTTPS://Dev.Corp.:443/": "https://dev.corp",
    "http://[::1]:80": "http://[::1]",
    "https://10.0.0.1:80": "https://10.0.0.1:80",
  };
  for (const [text, origin] of Object.entries(origins)) assert.equal(parseOrigin(text), origin, text);
  const others = [
    ["", "null", "localhost", "localhost:3000", "http:localhost", "//localhost", "*.corp", "http://"],
    ["http://a/b", "http://a?b", "http://a#b", "http://u@a", "http://u:p@a", "http://a:99999", "http://a b"],
    ["ftp://a", "file:///", "chrome-extension://a", "http://*:x"],
  ].flat();
  for (const text of others) assert.equal(parseOrigin(text), undefined, text);
});
