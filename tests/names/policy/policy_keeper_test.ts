import assert from "node:assert/strict";
import { type ConfiguredRules, PolicyKeeper } from "../../../src/names/policy/policy_keeper.ts";
import { renderBlock } from "../../../src/names/hosts/hosts_block.ts";

const SECTION = renderBlock(new Map([["ours.home", "10.107.0.2"]]));

/** A machine whose files and configuration the test changes. */
class Machine {
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
    configured: () => this.configured,
    readHosts: () => settle(this.hosts),
    readResolvConf: () => settle(this.resolvConf),
    lookUp: (name) => {
      this.asked.push(name);
      return Promise.resolve("exists");
    },
    onChange: () => Promise.resolve(),
  });

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
  machine.hosts = `192.0.2.7 nas.home\n${renderBlock(new Map([["a.home", "10.107.0.3"]]))}`;
  assert.equal(await machine.judge("ours.home"), "");
  assert.equal(machine.keeper.policy, policy);
});

Deno.test("PolicyKeeper keeps the lines of others while the hosts file is damaged or unreadable", async () => {
  const machine = new Machine();
  assert.match(await machine.judge("nas.home"), /line 1/);
  for (const hosts of ["# BEGIN ngrokd managed section\n", new Error("Cannot read /etc/hosts")]) {
    machine.hosts = hosts;
    assert.match(await machine.judge("nas.home"), /line 1/);
  }
});

Deno.test("PolicyKeeper asks the public DNS about allowed names below public domains only", async () => {
  const machine = new Machine();
  machine.configured = { ...machine.configured, allowed: ["known.com"], denied: ["denied.com"] };
  const names = [
    "db.internal",
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
