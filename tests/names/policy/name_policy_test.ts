import assert from "node:assert/strict";
import { isHostname } from "../../../src/lib/hostname.ts";
import { machineNames } from "../../../src/names/policy/machine_names.ts";
import { NamePolicy, type NameRules, type PublicState } from "../../../src/names/policy/name_policy.ts";
import { nameRules } from "./name_rules.ts";

const MACHINE = machineNames({
  hostname: "Box.",
  hostsLines: [{ line: 2, names: ["box.corp.example", "box"] }, { line: 3, names: ["boxes.other.example"] }],
  resolvConf: "domain old.example\nsearch eu.example sub.example\n",
});

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
    ...["box.eu.example", "*.eu.example"],
  ];
  await assertReason("is the name of this machine", own, { machine: MACHINE, allowed });
  await assertReason("is the domain of this machine", ["corp.example", "eu.example"], { machine: MACHINE });
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
  "is a name in line 7 of /etc/hosts": ["nas.home"],
  "is a name in line 8 of /etc/hosts": ["a.b.home", "*.b.home"],
};

for (const [reason, names] of Object.entries(UNLESS_ALLOWED)) {
  Deno.test(`NamePolicy refuses a name that ${reason}, unless it is allowed`, async () => {
    const hostsNames = new Map([["nas.home", 7], ["a.b.home", 8]]);
    await assertReason(`${reason}; to serve it, add it to net.allow_names`, names, { hostsNames });
    await assertAllowed(names, { hostsNames, allowed: names });
    const below = names.filter((name) => isHostname(name) && name.includes("."));
    const suffixes = below.map((name) => `*.${name.slice(name.indexOf(".") + 1)}`);
    await assertAllowed(below, { hostsNames, allowed: suffixes });
  });
}

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
  ["www.bank.com", "unknown", "refuse", ""],
  ["www.bank.com", "missing", "refuse", ""],
  ["*.bank.com", "exists", undefined, "refused"],
  ["*.bank.com", "exists", "refuse", "refused"],
  ["*.bank.com", "exists", "warn", "note"],
  ["*.bank.com", "unknown", undefined, "refused"],
  ["*.bank.com", "unknown", "warn", ""],
  ["*.bank.com", "missing", "refuse", ""],
];

Deno.test("NamePolicy decides about public names by net.shadow_public; wildcards wait for an answer", async () => {
  for (const [name, state, shadowPublic, expected] of SHADOWS) {
    const rules = await nameRules({ shadowPublic, publicState: () => state });
    const verdict = new NamePolicy(rules).judge(name);
    assert.equal(Object.keys(verdict).join(), expected, `${name} ${state} ${shadowPublic}`);
    assert.deepEqual(new NamePolicy({ ...rules, allowed: [name] }).judge(name), {});
  }
});

Deno.test("NamePolicy judges 10,000 names within 1 s beside 100,000 lines of the hosts file", async () => {
  const hostsNames = new Map(Array.from({ length: 100_000 }, (_, line) => [`ads${line}.tracker.com`, line]));
  const policy = new NamePolicy(
    await nameRules({ machine: MACHINE, hostsNames, denied: ["*.bank.example"] }),
  );
  const names = Array.from({ length: 10_000 }, (_, index) => `e${index}.apps.company.com`);
  const start = performance.now();
  for (const name of names) policy.judge(name);
  assert.ok(performance.now() - start < 1000);
});
