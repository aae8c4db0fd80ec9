import assert from "node:assert/strict";
import { isHostname } from "../../../src/lib/hostname.ts";
import type { HostsLine } from "../../../src/names/hosts/hosts_block.ts";
import { HostsNames, indexNames } from "../../../src/names/policy/hosts_names.ts";
import { machineNames } from "../../../src/names/policy/machine_names.ts";
import type { PublicState } from "../../../src/names/policy/judge_public.ts";
import { NamePolicy } from "../../../src/names/policy/name_policy.ts";
import type { NameRules } from "../../../src/names/policy/name_rules.ts";
import { nameRules } from "./name_rules.ts";
import { cpuTimeMs } from "../../fakes/cpu_time.ts";

const MACHINE = machineNames({
  hostname: "Box.",
  hostsLines: [hostsLine(2, "box.corp.example", "box"), hostsLine(3, "boxes.other.example")],
  resolvConf: "domain old.example\nsearch eu.example sub.example\n",
});

function hostsLine(line: number, ...names: string[]): HostsLine {
  return { line, address: "192.0.2.1", names };
}

async function reasonsFor(names: readonly string[], rules: Partial<NameRules>): Promise<unknown[]> {
  const policy = new NamePolicy(await nameRules(rules));
  return names.map((name) => policy.judge(name).refused);
}

/** Asserts the reason of each name; of a wildcard, `is …` can be `covers "…", …`. */
async function assertReason(reason: string, names: readonly string[], rules: Partial<NameRules>) {
  const found = (await reasonsFor(names, rules)).map((text) =>
    String(text).replace(/ covers "[^"]+",/, " is")
  );
  assert.deepEqual(found, names.map((name) => `"${name}" ${reason}`));
}

async function assertAllowed(names: readonly string[], rules: Partial<NameRules> = {}) {
  assert.deepEqual(await reasonsFor(names, rules), names.map(() => undefined));
}

Deno.test("NamePolicy refuses the names that mean this machine, and its domains", async () => {
  const allowed = ["*.localhost", "box", "*.corp.example", "*.eu.example"];
  const local = [
    ...["localhost", "api.localhost", "*.localhost", "localhost.localdomain", "*.localdomain"],
    ...["localhost4", "localhost6.localdomain6", "ip6-localhost", "broadcasthost"],
  ];
  await assertReason("means this machine itself", local, { allowed });
  const own = [
    ...["box", "box.local", "box.corp.example", "*.corp.example", "*.example"],
  ];
  await assertReason("is the name of this machine", own, { machine: MACHINE, allowed });
  await assertReason("is the domain of this machine", ["corp.example", "eu.example"], { machine: MACHINE });
  await assertReason("is a search domain of this machine", ["sub.example"], { machine: MACHINE });
  await assertAllowed(["x.corp.example", "boxes.corp.example", "*.box.corp.example", "old.example"], {
    machine: MACHINE,
  });
});

Deno.test("NamePolicy refuses the hosts that the daemon connects to, and wildcards of them (F67)", async () => {
  const names = [
    ...["api.ngrok.com", "*.ngrok.com", "*.com", "kubernetes-binding-ingress.ngrok.io", "*.ngrok.io"],
    ...["connect.ngrok-endpoints.com", "*.ngrok-endpoints.com", "raw.githubusercontent.com"],
    ...["proxy.corp", "*.corp"],
  ];
  const rules = { reserved: ["proxy.corp"], allowed: ["*.corp", "*.com"] };
  await assertReason("is a name that the daemon itself connects to", names, rules);
  await assertAllowed(["api2.ngrok.com", "x.api.ngrok.com", "*.api.ngrok.com", "proxy2.corp"], rules);
});

const UNLESS_ALLOWED: Record<string, readonly string[]> = {
  "is a single label": ["db", "metadata", "a_b"],
  "is a wildcard of a whole top-level domain": ["*.net", "*.internal", "*.myapp"],
  "is a wildcard of a whole public suffix": ["*.co.uk", "*.github.io", "*.s3.amazonaws.com"],
  'has the label "wpad", by which programs configure themselves': ["wpad.corp", "wpad.a.b.c", "*.wpad.corp"],
  'has the label "wpad2", by which programs configure themselves': ["wpad2.corp"],
  'has the label "isatap", by which programs configure themselves': ["isatap.corp"],
  'has the label "_acme-challenge", by which programs configure themselves': ["_acme-challenge.a.b"],
  'has the label "_tcp", by which programs configure themselves': ["x._tcp.a.b", "*._tcp.a.b"],
  "is a well-known name that programs trust": [
    ...["metadata.google.internal", "*.google.internal"],
    ...["kubernetes.default.svc", "*.default.svc"],
    ...["host.docker.internal", "*.docker.internal"],
  ],
  "is a wildcard of a search domain of this machine": ["*.corp.example", "*.a.lab.example"],
  "is a search domain of this machine": ["*.lab.example"],
  "is a name in line 7 of /etc/hosts": ["nas.home"],
  "is a name in line 8 of /etc/hosts": ["a.b.home", "*.b.home"],
};

const SEARCH = { names: [], domains: [], searchDomains: ["corp.example", "a.lab.example"] };

for (const [reason, names] of Object.entries(UNLESS_ALLOWED)) {
  Deno.test(`NamePolicy refuses a name that ${reason}, unless it is allowed`, async () => {
    const rules = {
      hostsNames: new HostsNames(indexNames([hostsLine(7, "nas.home"), hostsLine(8, "a.b.home")])),
      machine: SEARCH,
    };
    await assertReason(`${reason}; to serve it, add it to net.allow_names`, names, rules);
    await assertAllowed(names, { ...rules, allowed: names });
    const below = names.filter((name) => isHostname(name) && name.includes("."));
    const suffixes = below.map((name) => `*.${name.slice(name.indexOf(".") + 1)}`);
    await assertAllowed(below, { ...rules, allowed: suffixes });
  });
}

// With the proxy http://proxy:3128, the resolver asks for proxy.corp.example, too: its owner got
// Proxy-Authorization.
Deno.test("NamePolicy refuses what a search domain makes of a name of the machine or the daemon", async () => {
  const rules = { machine: MACHINE, reserved: ["proxy", "proxy.corp"] };
  const daemon = "is a name that the daemon itself connects to";
  const refused: [name: string, short: string, domain: string, is: string][] = [
    ["proxy.eu.example", "proxy", "eu.example", daemon],
    ["proxy.sub.example", "proxy", "sub.example", daemon],
    ["*.corp.sub.example", "*.corp", "sub.example", daemon],
    ["api.ngrok.com.eu.example", "api.ngrok.com", "eu.example", daemon],
    ["box.sub.example", "box", "sub.example", "is the name of this machine"],
    ["localhost.eu.example", "localhost", "eu.example", "means this machine itself"],
  ];
  for (const [name, short, domain, is] of refused) {
    const reason = `ends in the search domain ${domain}, and "${short}" ${is}`;
    await assertReason(reason, [name], { ...rules, allowed: ["*.eu.example", "*.sub.example"] });
  }
  const name = "metadata.google.internal.sub.example";
  const [reason] = await reasonsFor([name], rules);
  assert.match(reason as string, /sub\.example, and "metadata\.google\.internal" is a well-known name/);
  await assertAllowed([name], { ...rules, allowed: [name] });
  const policy = new NamePolicy(await nameRules({ ...rules, allowed: ["*.sub.example"] }));
  assert.equal(policy.judge("*.sub.example").refused, undefined);
  assert.ok(policy.isAlwaysRefused("proxy.sub.example") && !policy.isAlwaysRefused("db.sub.example"));
  await assertAllowed(["db.eu.example", "*.db.sub.example", "proxy.other.example"], rules);
});

Deno.test("NamePolicy refuses denied names, names below denied suffixes, and wildcards of both", async () => {
  const rules = { denied: ["db.bank.example", "*.corp.example"], allowed: ["db.bank.example"] };
  assert.deepEqual(
    await reasonsFor(
      ["db.bank.example", "*.bank.example", "x.corp.example", "*.a.corp.example", "*.corp.example"],
      rules,
    ),
    [
      '"db.bank.example" is refused by "db.bank.example" in net.deny_names',
      '"*.bank.example" is refused by "db.bank.example" in net.deny_names',
      '"x.corp.example" is refused by "*.corp.example" in net.deny_names',
      '"*.a.corp.example" is refused by "*.corp.example" in net.deny_names',
      '"*.corp.example" is refused by "*.corp.example" in net.deny_names',
    ],
  );
  await assertAllowed(["corp.example", "x.bank.example", "*.db.bank.example"], rules);
});

Deno.test("NamePolicy allows every other name without asking the public DNS", async () => {
  const names = [
    ...["api.myapp", "db.internal", "nas.local", "localhost.example", "notlocalhost", "api.my_app"],
    ...["*.apps.example.com", "*.example.com", "db.example.com", "*.apps.internal", "wild.wpad.corp"],
  ];
  const asked: string[] = [];
  const publicState = (name: string) => (asked.push(name), "unknown" as const);
  await assertAllowed(names, { allowed: ["notlocalhost"], publicState });
  assert.deepEqual(asked, []);
});

const SHADOWS: readonly [
  name: string,
  state: PublicState,
  policy: NameRules["shadowPublic"],
  verdict: string,
][] = [
  ["www.bank.com", "exists", undefined, "note"],
  ["www.bank.com", "exists", "warn", "note"],
  ["www.bank.com", "exists", "refuse", "refused"],
  ["www.bank.com", "unknown", "refuse", "refused"],
  ["www.bank.com", "unknown", undefined, ""],
  ["www.bank.com", "missing", "refuse", ""],
  ["*.bank.com", "exists", undefined, "refused"],
  ["*.bank.com", "exists", "refuse", "refused"],
  ["*.bank.com", "exists", "warn", "note"],
  ["*.bank.com", "unknown", undefined, "refused"],
  ["*.bank.com", "unknown", "warn", ""],
  ["*.bank.com", "no server", undefined, "refused"],
  ["*.bank.com", "no server", "warn", ""],
  ["www.bank.com", "no server", undefined, ""],
  ["www.bank.com", "no server", "refuse", "refused"],
  ["*.bank.com", "missing", "refuse", ""],
];

Deno.test("NamePolicy decides about public names by net.shadow_public; refuse waits for an answer", async () => {
  for (const [name, state, shadowPublic, expected] of SHADOWS) {
    const rules = await nameRules({ shadowPublic, publicState: () => state });
    const verdict = new NamePolicy(rules).judge(name);
    assert.equal(Object.keys(verdict).join(), expected, `${name} ${state} ${shadowPublic}`);
    assert.deepEqual(new NamePolicy({ ...rules, allowed: [name] }).judge(name), {});
  }
});

Deno.test("NamePolicy judges 10,000 names within 1 s beside 100,000 lines of the hosts file", async () => {
  const hostsNames = new HostsNames(indexNames(
    Array.from({ length: 100_000 }, (_, line) => hostsLine(line, `ads${line}.tracker.com`)),
  ));
  const policy = new NamePolicy(
    await nameRules({ machine: MACHINE, hostsNames, denied: ["*.bank.example"] }),
  );
  const names = Array.from({ length: 10_000 }, (_, index) => `e${index}.apps.company.com`);
  const start = cpuTimeMs();
  for (const name of names) policy.judge(name);
  assert.ok(cpuTimeMs() - start < 1000);
});
