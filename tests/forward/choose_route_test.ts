import assert from "node:assert/strict";
import { chooseByRequest, planRoute, refuseOtherHost, urlOf } from "../../src/forward/choose_route.ts";
import { type RequestHead, sniffHttp } from "../../src/forward/sniff_http.ts";
import { latin1 } from "./memory_stream.ts";
import { route, routes } from "./routes.ts";

Deno.test("planRoute() makes new route sets only for a listener with both kinds", () => {
  const listener = routes("http://a.example:80", "http://b.example:80");
  const plan = planRoute(listener);
  assert.ok(plan.kind === "sniff" && plan.http === listener && plan.tls === undefined);
});

Deno.test("chooseByRequest() shows a foreign Host harmlessly, and no body to HEAD", () => {
  const sniff = sniffHttp(latin1(`HEAD / HTTP/1.1\r\nHost: ${"x".repeat(500)}\r\n\r\n`));
  assert.ok(sniff !== "more");
  const choice = chooseByRequest(routes("http://api.myapp:80"), sniff);
  assert.ok("refusal" in choice && choice.refusal.method === "HEAD" && choice.refusal.reason.length < 250);
});

Deno.test("refuseOtherHost() lets the connection's own name pass and refuses every other", () => {
  const chosen = { route: route("http://*.example.com:80"), host: "a.example.com", whole: false };
  const head = (host: string): RequestHead => ({
    length: 0,
    method: "GET",
    host,
    port: undefined,
    body: 0,
    fields: [],
  });
  assert.equal(refuseOtherHost(chosen, head("a.example.com")), undefined);
  assert.equal(refuseOtherHost(chosen, head("b.example.com"))?.status, 421);
});

Deno.test("urlOf() leaves usual ports out", () => {
  for (const url of ["http://a:81", "https://a:444", "tls://a:1", "tcp://a:443"]) {
    assert.equal(urlOf(route(url)), url);
  }
  for (const url of ["http://a:80", "https://a:443", "tls://a:443"]) {
    assert.equal(urlOf(route(url)), url.slice(0, url.lastIndexOf(":")));
  }
});
