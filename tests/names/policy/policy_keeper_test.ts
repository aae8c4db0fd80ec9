import assert from "node:assert/strict";
import {
  type ConfiguredRules,
  PolicyKeeper,
  type PolicyKeeperOptions,
} from "../../../src/names/policy/policy_keeper.ts";
import { loadPublicSuffixes } from "../../../src/names/policy/public_suffix.ts";
import { renderBlock } from "../../../src/names/hosts/hosts_block.ts";
import { cpuTimeMs } from "../../fakes/cpu_time.ts";

const SECTION = renderBlock(new Map([["ours.home", "10.107.0.2"]]));

/** A machine whose files and configuration the test changes. */
class Machine {
  readonly #loadSuffixes: PolicyKeeperOptions["loadSuffixes"];
  configured: ConfiguredRules = {
    hostname: "box",
    hostsPath: "/etc/hosts",
    reserved: [],
    allowed: [],
    denied: [],
    shadowPublic: undefined,
  };
  hosts: string | Error = `192.0.2.7 nas.home\n${SECTION}`;
  resolvConf: string | Error = "search corp.example\n";
  readonly asked: string[] = [];
  readonly keeper = new PolicyKeeper({
    loadSuffixes: () => (this.#loadSuffixes ?? loadPublicSuffixes)(),
    configured: () => this.configured,
    isOurs: (address) => address.startsWith("10.107."),
    readHosts: () => settle(this.hosts),
    readResolvConf: () => settle(this.resolvConf),
    lookUp: (name) => {
      this.asked.push(name);
      return Promise.resolve("exists");
    },
    onChange: () => Promise.resolve(),
  });

  constructor(loadSuffixes?: PolicyKeeperOptions["loadSuffixes"]) {
    this.#loadSuffixes = loadSuffixes;
  }

  /** Returns what the policy says about a name after the next `prepare`. */
  async judge(name: string): Promise<string> {
    await this.keeper.prepare([name]);
    const { refused, note } = this.keeper.policy.judge(name);
    return refused ?? note ?? "";
  }
}

function settle(value: string | Error): Promise<string> {
  return value instanceof Error ? Promise.reject(value) : Promise.resolve(value);
}

const CHANGES: Record<string, [name: string, change: (machine: Machine) => void, reason: RegExp]> = {
  "a new line of the hosts file": [
    "db.home",
    (machine) => machine.hosts = `192.0.2.7 nas.home\n${SECTION}\n192.0.2.8 x DB.home.\n`,
    /line 6 of \/etc\/hosts/,
  ],
  "a full name in the hosts file": [
    "box.lab.home",
    (machine) => machine.hosts = "127.0.1.1 box.lab.home box\n",
    /is the name of this machine/,
  ],
  "another domain in resolv.conf": [
    "box.new.example",
    (machine) => machine.resolvConf = "search new.example\n",
    /is the name of this machine/,
  ],
  "another search domain": [
    "*.lab.example",
    (machine) => machine.resolvConf = "search corp.example\tlab.example # of the lab\n",
    /is a wildcard of a search domain/,
  ],
  "another host name": [
    "crate.corp.example",
    (machine) => machine.configured = { ...machine.configured, hostname: "crate" },
    /is the name of this machine/,
  ],
  "another configuration": [
    "db.home",
    (machine) => machine.configured = { ...machine.configured, denied: ["*.home"] },
    /net\.deny_names/,
  ],
};

for (const [what, [name, change, reason]] of Object.entries(CHANGES)) {
  Deno.test(`PolicyKeeper follows ${what}`, async () => {
    const machine = new Machine();
    assert.equal(await machine.judge(name), "");
    change(machine);
    assert.match(await machine.judge(name), reason);
  });
}

Deno.test("PolicyKeeper makes no new policy while nothing changes, or only our section does", async () => {
  const machine = new Machine();
  await machine.judge("ours.home");
  const { policy } = machine.keeper;
  const more = [["a.home", "10.107.0.3"], ["b.home", "10.107.0.4"]] as const;
  for (const hosts of [renderBlock(new Map(more)), "", `\n${SECTION}`]) {
    machine.hosts = `192.0.2.7 nas.home\n${hosts}`;
    assert.equal(await machine.judge("ours.home"), "");
    assert.equal(machine.keeper.policy, policy);
  }
});

Deno.test("PolicyKeeper keeps what it knows while the hosts file or resolv.conf is unreadable", async () => {
  const machine = new Machine();
  for (let turn = 0; turn < 2; turn++) {
    assert.match(await machine.judge("nas.home"), /line 1/);
    assert.match(await machine.judge("box.corp.example"), /is the name of this machine/);
    machine.hosts = new Error("Cannot read /etc/hosts");
    machine.resolvConf = new Error("Cannot read /etc/resolv.conf");
  }
});

// With a damaged section at the start, no line counted. Our own lines must not refuse our names.
Deno.test("PolicyKeeper takes all lines of a damaged hosts file but those with our addresses", async () => {
  const machine = new Machine();
  machine.hosts = `${SECTION.replace(/# END.*\n/, "")}192.0.2.7 nas.home\n`;
  assert.match(await machine.judge("nas.home"), /line 3/);
  assert.equal(await machine.judge("ours.home"), "");
});

Deno.test("PolicyKeeper tells the line of a name although our section before it grows", async () => {
  const machine = new Machine();
  for (const count of [1, 3, 2]) {
    const names = Array.from(
      { length: count },
      (_, index): [string, string] => [`e${index}.home`, "10.107.0.2"],
    );
    machine.hosts = `192.0.2.7 nas.home\n${renderBlock(new Map(names))}192.0.2.8 tv.home\n`;
    assert.match(await machine.judge("tv.home"), new RegExp(`line ${count + 4} of`));
    assert.match(await machine.judge("nas.home"), /line 1 of/);
  }
});

// Each change of our own section took 0.5 s, and each answer of the public DNS 0.05 s.
Deno.test("PolicyKeeper reads 100,000 lines again only if they change", async () => {
  const machine = new Machine();
  const lines = Array.from({ length: 100_000 }, (_, index) => `0.0.0.0 ads${index}.tracker.home\n`).join("");
  machine.hosts = lines;
  await machine.judge("db.home");
  const start = cpuTimeMs();
  for (let turn = 0; turn < 10; turn++) {
    machine.hosts = `${lines}\n${renderBlock(new Map([[`e${turn}.home`, "10.107.0.3"]]))}`;
    machine.configured = { ...machine.configured, denied: [`e${turn}.denied.home`] };
    assert.equal(await machine.judge("db.home"), "");
  }
  assert.ok(cpuTimeMs() - start < 1000, String(cpuTimeMs() - start));
});

// Each round failed, so that nothing was served.
Deno.test("PolicyKeeper refuses wildcards of two labels if the public suffix list cannot load", async () => {
  const machine = new Machine(() => Promise.reject(new TypeError("Module not found")));
  assert.match(await machine.judge("*.bank.com"), /may be a wildcard of a whole public suffix/);
  for (const name of ["www.bank.com", "*.apps.internal", "*.example.com"]) {
    assert.equal(await machine.judge(name), "", name);
  }
});

// The list has "onion", so that its names were looked up once any name had loaded the list.
Deno.test("PolicyKeeper asks the public DNS about allowed names below public domains only", async () => {
  const machine = new Machine();
  machine.configured = { ...machine.configured, allowed: ["known.com"], denied: ["denied.com"] };
  const names = [
    "db.internal",
    "foo.onion",
    "known.com",
    "denied.com",
    "*.com",
    "a.example.com",
    "www.bank.com",
    "*.bank.com",
  ];
  await machine.keeper.prepare(names);
  await machine.keeper.close();
  assert.deepEqual(machine.asked, ["www.bank.com", "*.bank.com"]);
  await machine.keeper.prepare(names);
  assert.match(machine.keeper.policy.judge("www.bank.com").note ?? "", /shadows a public name/);
  assert.match(machine.keeper.policy.judge("*.bank.com").refused ?? "", /shadows public names/);
});
