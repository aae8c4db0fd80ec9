import assert from "node:assert/strict";
import type { Mode } from "./client_stage.ts";
import { clientTests } from "./client_tests.ts";
import { FakeUpstream } from "../dns/fake_upstream.ts";
import { replyTo } from "../dns/messages.ts";
import { Neighbour } from "../root/neighbour.ts";
import {
  BELOW_WILDCARD,
  EXACT,
  HOSTS,
  MOUNTED_FILES,
  type NameLookup,
  NameStage,
  RESOLV_CONF,
} from "./name_stage.ts";

const test = clientTests(import.meta.url, {
  name: "getent",
  programs: { getent: "libc-bin", python3: "python3" },
});

const MODES: readonly Mode[] = ["virtual", "network"];
const NAMES = [EXACT, BELOW_WILDCARD];

/** Tools that drop ngrokd's lines of a file, the name that needs them, and what the tools do. */
const TOOLS: readonly (readonly [tool: string, name: string, script: string])[] = [
  ["sed -i", EXACT, `sed -i '/BEGIN ngrokd/,/END ngrokd/d' /etc/hosts`],
  ["python", EXACT, `python3 -c 'open("/etc/hosts", "w").write("127.0.0.1 localhost\\n10.0.0.9 tv.lan\\n")'`],
  [
    "NetworkManager",
    BELOW_WILDCARD,
    "echo 'nameserver 192.0.2.54' >/etc/resolv.conf.NM; mv /etc/resolv.conf.NM /etc/resolv.conf",
  ],
  [
    "dhclient-script",
    BELOW_WILDCARD,
    "cd /etc; echo 'nameserver 192.0.2.55' >resolv.conf.dhclient-new; " +
    "chmod --reference=resolv.conf resolv.conf.dhclient-new; mv -f resolv.conf.dhclient-new resolv.conf",
  ],
  ["an editor", BELOW_WILDCARD, "echo 'nameserver 192.0.2.56' >/etc/resolv.conf"],
];

/** A container engine writes mounted files in place, here with the content of the start. */
const CONTAINER_FILES = [[BELOW_WILDCARD, "resolv.conf", RESOLV_CONF], [EXACT, "hosts", HOSTS]] as const;

/** Every other name has no address of ngrokd. */
function find(name: string): NameLookup {
  return { argv: ["getent", "ahostsv4", name], shows: /^(10\.107\.|127\.0\.0\.1 )/ };
}

for (const mode of MODES) {
  test(mode, "resolves exact names and wildcards without systemd-resolved", async () => {
    await using names = await NameStage.open({ mode, find });
    for (const name of NAMES) await names.untilFound(name);
    assert.equal(await names.finds("other.example.com"), false);
    await names.assertLeavesNothing();
  });

  test(mode, "resolves exact names and wildcards in a container", async () => {
    await using names = await NameStage.open({ mode, find, etc: MOUNTED_FILES });
    for (const name of NAMES) await names.untilFound(name);
    for (const [name, file, text] of CONTAINER_FILES) {
      await names.assertRestored("the engine", { name, script: `printf '${text}' >/etc/${file}` });
    }
    await names.assertLeavesNothing();
  });

  test(mode, "resolves exact names with a resolv.conf that is a link", async () => {
    const etc = "mkdir /run/other; mv /etc/resolv.conf /run/other/; ln -s /run/other/resolv.conf /etc";
    await using names = await NameStage.open({ mode, find, etc });
    await names.untilFound(EXACT);
    assert.match(
      (await names.resolver()).reason!,
      /resolv\.conf: it is a symlink to a file of another program/,
    );
    assert.equal(await names.finds(BELOW_WILDCARD), false);
    assert.equal(await Deno.readLink("/etc/resolv.conf"), "/run/other/resolv.conf");
    await names.assertLeavesNothing();
  });

  test(mode, "resolves names within 2 s after other tools wrote the files", async () => {
    await using names = await NameStage.open({ mode, find });
    for (const name of NAMES) await names.untilFound(name);
    for (const [tool, name, script] of TOOLS) await names.assertRestored(tool, { name, script });
  });
}

test("virtual", "resolves exact names only with dns.manage_resolv_conf: false", async () => {
  await using names = await NameStage.open({ mode: "virtual", find, dns: "manage_resolv_conf: false" });
  await names.untilFound(EXACT);
  assert.match((await names.resolver()).reason!, /^dns\.manage_resolv_conf does not allow changes to /);
  assert.equal(await names.finds(BELOW_WILDCARD), false);
  await names.assertLeavesNothing();
});

// A container has the nameserver lines of its host, and waited 5 s for each name.
test("virtual", "in a container with the name servers of its host: finds other names at once", async () => {
  await using neighbour = await Neighbour.open({ routes: (lan) => [`default via ${lan.address(1)}`] });
  await using names = await NameStage.open({ mode: "virtual", find });
  await names.untilFound(BELOW_WILDCARD);
  const [, ours] = /^nameserver (10\.107\..*)$/m.exec(await Deno.readTextFile("/etc/resolv.conf")) ?? [];
  const address = neighbour.lan.address(1);
  await using _next = new FakeUpstream((request) => [replyTo(request, { addresses: ["192.0.2.7"] })], {
    address,
    port: 53,
  });
  await neighbour.useNameServers(ours!, address);
  const started = performance.now();
  assert.match(await neighbour.succeeds(["getent", "ahostsv4", "other.example.org"]), /^192\.0\.2\.7 /);
  const ms = performance.now() - started;
  assert.ok(ms < 2000, `${ms} ms`);
  assert.equal(
    (await neighbour.run(["getent", "ahostsv4", BELOW_WILDCARD])).stdout.includes("10.107."),
    false,
  );
});
