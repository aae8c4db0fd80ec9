import assert from "node:assert/strict";
import {
  chooseByRequest,
  chooseNext,
  ingressHost,
  planRoute,
  type RouteChoice,
  urlOf,
} from "../../src/forward/choose_route.ts";
import { ListenerRoutes, type Route } from "../../src/model/route_table.ts";
import { sniffHttp } from "../../src/forward/http/sniff_http.ts";
import { latin1 } from "../fakes/memory_stream.ts";
import { hostRules, route, routes } from "../fakes/routes.ts";

Deno.test("planRoute() copies the routes only for a listener with both kinds", () => {
  const listener = routes("http://a.example:80", "http://b.example:80");
  const plan = planRoute(listener);
  assert.ok(plan.kind === "sniff" && plan.http === listener && plan.tls === undefined);
});

Deno.test("chooseByRequest() shortens a foreign Host in its answer, and sends no body to HEAD", () => {
  const sniff = sniffHttp(latin1(`HEAD / HTTP/1.1\r\nHost: ${"x".repeat(500)}\r\n\r\n`));
  assert.ok(sniff !== "more");
  const choice = chooseByRequest(
    new ListenerRoutes([route("http://api.myapp:80", { listenInterface: "0.0.0.0" })]),
    sniff,
    { rules: hostRules() },
  );
  assert.ok("refusal" in choice && choice.refusal.method === "HEAD" && choice.refusal.reason.length < 250);
});

Deno.test("chooseNext() finds the present route of each name, or refuses a name that has none", () => {
  const shared = { listenInterface: "0.0.0.0" };
  const [a, wild] = [route("http://a.example.com:80", shared), route("http://*.example.com:80", shared)];
  let mayOpen = false;
  const next = (last: RouteChoice, host: string, ...present: Route[]) => {
    const sniff = sniffHttp(latin1(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`));
    assert.ok(sniff !== "more" && sniff.kind === "request");
    const options = { rules: hostRules(), routes: () => new ListenerRoutes(present) };
    const choice = chooseNext(last, { head: sniff.head, mayOpen }, options);
    return "refusal" in choice ? choice.refusal.status : [choice.route, choice.host, choice.hostField];
  };
  const last = { route: a, host: "a.example.com", passthrough: false };
  assert.deepEqual(next(last, "b.example.com", a, wild), [wild, "b.example.com", undefined]);
  assert.deepEqual(next({ ...last, host: "b.example.com" }, "a.example.com", a, wild), [
    a,
    "a.example.com",
    undefined,
  ]);
  assert.equal(next(last, "b.example.org", a, wild), 421);
  assert.equal(next(last, "b.example.com", a), 421, "an endpoint that has gone");
  assert.equal(next(last, "b.example.com"), 421, "no endpoint is left");
  assert.deepEqual(next(last, "a.example.com"), [a, "a.example.com", undefined]);
  const own = { route: route("http://a.example.com:80"), host: "a.example.com", passthrough: false };
  const rewriting = { ...own, hostField: "a.example.com" };
  assert.deepEqual(next(rewriting, "10.107.0.2"), [own.route, "a.example.com", "a.example.com"]);
  assert.equal(next(rewriting, "b.example.com", a, wild), 421);
  mayOpen = true;
  assert.equal(next(last, "a.example.com"), 421, "no upstream is opened for an endpoint that has gone");
  assert.deepEqual(next(last, "a.example.com", wild), [wild, "a.example.com", undefined]);
  assert.equal(next(rewriting, "10.107.0.2", route("http://b.example.com:80")), 421);
  const renewed = { ...own.route, endpointIds: ["ep_new"] };
  assert.deepEqual(next(rewriting, "10.107.0.2", renewed), [renewed, "a.example.com", "a.example.com"]);
});

Deno.test("chooseByRequest() rewrites Host on a virtual address unless the first one is right", () => {
  const get = (host: string): string => `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
  const choose = (url: string, text: string) => {
    const sniff = sniffHttp(latin1(text));
    assert.ok(sniff !== "more" && sniff.kind === "request", text);
    const choice = chooseByRequest(new ListenerRoutes([route(url, { localPort: 9080 })]), sniff, {
      rules: hostRules(),
    });
    assert.ok(
      "route" in choice && choice.host === "api.myapp" && choice.passthrough === !("hostField" in choice),
    );
    return choice.hostField;
  };
  const unchanged: Record<string, readonly string[]> = {
    "http://api.myapp:80": ["api.myapp", "API.MyApp.", "api.myapp:80", "api.myapp:"],
    "http://api.myapp:443": ["api.myapp", "api.myapp:443"],
    "http://api.myapp:8080": ["api.myapp:8080"],
  };
  for (const [url, hosts] of Object.entries(unchanged)) {
    for (const host of hosts) assert.equal(choose(url, get(host)), undefined, `${url} ${host}`);
  }
  const rewritten: Record<string, [string, readonly string[]]> = {
    "http://api.myapp:80": ["api.myapp", [
      "",
      "10.107.0.2",
      "localhost:9080",
      "api.myapp:9080",
    ]],
    "http://api.myapp:443": ["api.myapp", ["api.myapp:80", "[::1]"]],
    "http://api.myapp:8080": ["api.myapp:8080", [
      "api.myapp",
      "api.myapp:80",
      "api.myapp:9080",
      "localhost:8080",
    ]],
  };
  for (const [url, [hostField, hosts]] of Object.entries(rewritten)) {
    for (const host of hosts) assert.equal(choose(url, get(host)), hostField, `${url} ${host}`);
  }
  for (
    const text of [
      "GET / HTTP/1.0\r\n\r\n",
      "CONNECT api.myapp:80 HTTP/1.0\r\n\r\n",
      "GET http://api.myapp/ HTTP/1.0\r\n\r\n",
      "GET http://api.myapp/ HTTP/1.1\r\nHost: other\r\n\r\n",
      "GET http://10.107.0.2/ HTTP/1.1\r\nHost: api.myapp\r\n\r\n",
      "CONNECT far.example:443 HTTP/1.1\r\nHost: far.example:443\r\n\r\n",
    ]
  ) {
    assert.equal(choose("http://api.myapp:80", text), "api.myapp", text);
  }
});

Deno.test("urlOf() omits default ports", () => {
  for (const url of ["http://a:81", "https://a:444", "tls://a:1", "tcp://a:443"]) {
    assert.equal(urlOf(route(url)), url);
  }
  for (const url of ["http://a:80", "https://a:443", "tls://a:443"]) {
    assert.equal(urlOf(route(url)), url.slice(0, url.lastIndexOf(":")));
  }
});

Deno.test("ingressHost() spells what the API named as the API does, and no more (R89)", () => {
  const rows = [
    ["http://api.myapp:80", "API.MyApp", "api.myapp", "API.MyApp"],
    ["http://api.myapp:80", "api.myapp.", "api.myapp", "api.myapp."],
    [
      "http://xn--bcher-kva.example:80",
      "XN--Bcher-KVA.example",
      "xn--bcher-kva.example",
      "XN--Bcher-KVA.example",
    ],
    ["tls://*.a_b.example:443", "*.A_b.Example.", "x.y.a_b.example", "x.y.A_b.Example."],
    ["tcp://*.example.com:5432", "*.Example.com", "*.example.com", "*.Example.com"],
  ] as const;
  for (const [url, spelling, host, asked] of rows) {
    assert.equal(ingressHost({ route: route(url, { spelling }), host }), asked);
  }
  assert.equal(ingressHost({ route: route("http://api.myapp:80"), host: "api.myapp" }), "api.myapp");
});
