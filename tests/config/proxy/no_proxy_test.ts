import assert from "node:assert/strict";
import { noProxyEntry } from "../../../src/config/proxy/no_proxy.ts";

const ROWS: readonly (readonly [list: string, host: string, port: number, entry: string | undefined])[] = [
  ["*", "api.ngrok.com", 443, "*"],
  ["", "api.ngrok.com", 443, undefined],
  [" , ,", "api.ngrok.com", 443, undefined],
  ["api.ngrok.com", "api.ngrok.com", 443, "api.ngrok.com"],
  ["API.Ngrok.com.", "api.ngrok.com", 443, "API.Ngrok.com."],
  ["api.ngrok.com", "api.ngrok.com.", 443, "api.ngrok.com"],
  ["ngrok.com", "api.ngrok.com", 443, "ngrok.com"],
  ["grok.com", "api.ngrok.com", 443, undefined],
  ["api.ngrok.com", "ngrok.com", 443, undefined],
  [".ngrok.com", "api.ngrok.com", 443, ".ngrok.com"],
  [".ngrok.com", "ngrok.com", 443, undefined],
  ["*.ngrok.com", "api.ngrok.com", 443, "*.ngrok.com"],
  ["*.ngrok.com", "ngrok.com", 443, undefined],
  [".", "api.ngrok.com.", 443, undefined],
  ["api.ngrok.com:443", "api.ngrok.com", 443, "api.ngrok.com:443"],
  ["api.ngrok.com:443", "api.ngrok.com", 8443, undefined],
  ["*.ngrok.com:8443", "api.ngrok.com", 8443, "*.ngrok.com:8443"],
  [":443", "api.ngrok.com", 443, undefined],
  ["10.0.0.1", "10.0.0.1", 443, "10.0.0.1"],
  ["10.0.0.1:444", "10.0.0.1", 443, undefined],
  ["0.0.1", "10.0.0.1", 443, undefined],
  ["10.0.0.0/8", "10.200.3.4", 443, "10.0.0.0/8"],
  ["10.1.2.3/8", "10.200.3.4", 443, "10.1.2.3/8"],
  ["10.0.0.0/8", "11.0.0.1", 443, undefined],
  ["10.0.0.0/8", "10.example", 443, undefined],
  ["10.0.0.0/33", "10.0.0.1", 443, undefined],
  ["0.0.0.0/0", "192.0.2.1", 443, "0.0.0.0/0"],
  ["fd00::1", "[fd00::1]", 443, "fd00::1"],
  ["[FD00:0::1]", "[fd00::1]", 443, "[FD00:0::1]"],
  ["[fd00::1]:8443", "[fd00::1]", 443, undefined],
  ["[fd00::1]:443", "[fd00::1]", 443, "[fd00::1]:443"],
  ["fd00::2", "[fd00::1]", 443, undefined],
  ["a.example,b.example  ngrok.com", "api.ngrok.com", 443, "ngrok.com"],
  ["(.*", "api.ngrok.com", 443, undefined],
];
for (const [list, hostname, port, entry] of ROWS) {
  Deno.test(`noProxyEntry() of "${list}" for ${hostname}:${port} is ${entry ?? "none"}`, () => {
    assert.equal(noProxyEntry(list, { hostname, port }), entry);
  });
}
