import assert from "node:assert/strict";
import { type ChooseOptions, chosenFlags, flagsForArguments } from "../../scripts/choose_sets.ts";
import { flagsOfSet, permissionFlags } from "../../scripts/permission_flags.ts";
import { parseConfig } from "../../src/config/schema.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";

const DNS = flagsOfSet("ngrokd_dns");
const NO_IP = ["--deny-run=/sbin/ip", "--deny-run=/usr/sbin/nft"];
const NEW: ChooseOptions = {
  ...{ os: "linux", action: "run", endpoints: "", journal: "" },
  ...{ resolvConf: "nameserver 192.168.1.1\n", uplink: "" },
};
const IPV6 = ["--allow-net=[fe80::1]:53", "--allow-net=[::]:0", "--allow-net=[2001:db8::1]:53"];
const LOOPBACK = { net: { subnet: "127.107.0.0/16" } };

Deno.test("chosenFlags() adds the DNS set and drops ip by what the daemon needs", () => {
  const cases: [config: unknown, changes: Partial<ChooseOptions>, flags: readonly string[]][] = [
    [{}, {}, []],
    [{ dns: { enabled: true } }, {}, DNS],
    [{ dns: { listen: "127.0.0.1" } }, {}, DNS],
    [{ dns: { manage_resolv_conf: true } }, {}, DNS],
    [{ dns: { manage_resolv_conf: false } }, {}, []],
    [{ net: { listen_interface: "0.0.0.0" } }, {}, DNS],
    [{ net: { overrides: { "a.example": "10.0.0.1" } } }, {}, DNS],
    [{ net: { overrides: { "a.example": "virtual" } } }, {}, []],
    [{}, { endpoints: '[{"url":"https://*.apps.example"}]' }, DNS],
    [{}, { endpoints: '[{"url":"https://apps.example"}]' }, []],
    [{}, { journal: '[{"kind":"resolv_conf"}]' }, DNS],
    [{ dns: { enabled: true } }, { os: "darwin" }, [...DNS, ...flagsOfSet("ngrokd_dns_macos")]],
    [LOOPBACK, {}, NO_IP],
    [LOOPBACK, { journal: '[{"kind":"addresses"}]' }, []],
    [LOOPBACK, { action: "cleanup" }, DNS],
    [LOOPBACK, { action: "cleanup", os: "darwin" }, [...DNS, ...flagsOfSet("ngrokd_dns_macos")]],
    [{ ...LOOPBACK, dns: { enabled: true } }, {}, [...DNS, ...NO_IP]],
    [{}, { resolvConf: "nameserver fe80::1%eth0\nnameserver 2001:db8::1\nnameserver 10.0.0.1\n" }, IPV6],
    [{}, { resolvConf: "nameserver 127.0.0.53\n", uplink: "nameserver 2001:DB8::1\n" }, [IPV6[2]!, IPV6[1]!]],
    [{}, { resolvConf: "nameserver 2001:db8::1,unix:/\nnameserver $(id)\n" }, []],
    [{ dns: { upstream: ["[2001:db8::1]"] } }, { resolvConf: "nameserver ::1\n" }, [IPV6[2]!, IPV6[1]!]],
    [{}, { action: "cleanup", resolvConf: "nameserver ::1\n" }, DNS],
  ];
  for (const [file, changes, flags] of cases) {
    const { config } = parseConfig(file);
    assert.deepEqual(chosenFlags(config, { ...NEW, ...changes }), flags, JSON.stringify([file, changes]));
  }
});

// A configuration that was damaged by hand made cleanup leave resolv.conf, and report success.
Deno.test("a clean-up gets its flags although its configuration cannot be loaded", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/config.yml`;
  for (const text of [undefined, "server: [", "net: { subnet: x }"]) {
    if (text !== undefined) await Deno.writeTextFile(path, text);
    assert.deepEqual(await flagsForArguments(["cleanup", `--config=${path}`]), DNS, text);
    await assert.rejects(flagsForArguments([`--config=${path}`]), Error, text);
  }
});

Deno.test("a process has what chosenFlags() adds, and not what it drops", async () => {
  const script = `for (const [name, key, value] of [
    ["write", "path", "/etc/resolv.conf"], ["write", "path", "/etc/resolv.conf.ngrokd.tmp"],
    ["run", "command", "/usr/bin/resolvectl"], ["run", "command", "/sbin/ip"], ["read", "path", "/etc/resolver"],
  ]) console.log(Deno.permissions.querySync({ name, [key]: value }).state === "granted")`;
  const cases: [flags: readonly string[], held: boolean[]][] = [
    [[], [false, false, false, true, false]],
    [DNS, [true, true, true, true, false]],
    [NO_IP, [false, false, false, false, false]],
    [[...DNS, ...NO_IP], [true, true, true, false, false]],
  ];
  const path = await Deno.makeTempFile({ suffix: ".js" });
  await Deno.writeTextFile(path, script);
  for (const [flags, held] of cases) {
    const args = ["run", "--config=deno.json", "--no-prompt", ...permissionFlags("ngrokd", flags), path];
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args,
      cwd: new URL("../..", import.meta.url),
    }).output();
    assert.deepEqual(
      new TextDecoder().decode(stdout).trim().split("\n").map((line) => line === "true"),
      held,
    );
  }
  await Deno.remove(path);
});
