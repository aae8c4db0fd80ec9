import assert from "node:assert/strict";
import { CommandError } from "../../src/model/errors.ts";
import { choosePublisher, chooseResolver, type ResolverOptions } from "../../src/names/select.ts";
import * as files from "../../src/system/files.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";
import { FakeResolvectl } from "./resolver/fake_resolvectl.ts";

Deno.test("choosePublisher() publishes nothing if the permission set does not allow the hosts file", async () => {
  const publisher = choosePublisher({ path: "/etc/hosts", files, mayWrite: () => false });
  assert.deepEqual([publisher.kind, publisher.disabledReason], [
    "none",
    "Cannot write /etc/hosts: the permission set does not allow it",
  ]);
  const outcome = await publisher.publish(new Map([["a.example", "127.107.0.2"]]));
  assert.equal(outcome.changed, false);
});

Deno.test("choosePublisher() uses the hosts file if it may be written", () => {
  const asked: string[] = [];
  const mayWrite = (path: string) => asked.push(path) > 0;
  const publisher = choosePublisher({ path: "/nowhere/hosts", files, mayWrite });
  assert.deepEqual([publisher.kind, publisher.disabledReason, asked], ["hosts", undefined, [
    "/nowhere/hosts",
  ]]);
});

const LINK = { name: "ngrokd0", subnet: { base: 0x0a6b0000, prefix: 16 } };
const REQUEST = { server: { address: "10.107.0.1", port: 53 }, domains: ["a.example"] };

async function withMachine(
  body: (machine: { path: string; options: ResolverOptions }) => Promise<void>,
): Promise<void> {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  const options: ResolverOptions = {
    os: "linux",
    mayWrite: () => true,
    run: () =>
      Promise.reject(new CommandError("Cannot run resolvectl", { argv: [], exitCode: 1, stderr: "" })),
    files,
    link: () => LINK,
    managed: () => true,
    backup: `${path}/resolv.conf.bak`,
    resolvConf: `${path}/resolv.conf`,
    resolverDir: `${path}/resolver`,
  };
  await body({ path, options });
}

Deno.test("chooseResolver() on Linux falls back from systemd-resolved to resolv.conf (F55)", () =>
  withMachine(async ({ path, options }) => {
    await Deno.writeTextFile(`${path}/resolv.conf`, "nameserver 127.0.0.53\n");
    const fake = new FakeResolvectl("ngrokd0");
    const chain = chooseResolver({ ...options, run: fake.run });
    await chain.apply(REQUEST);
    assert.deepEqual([chain.kind, chain.reason], ["systemd_resolved", undefined]);
    fake.failure = { reason: "Failed to connect to bus: No such file or directory" };
    await chain.apply(REQUEST);
    assert.equal(chain.kind, "resolv_conf");
    assert.match(chain.reason ?? "", /^Cannot run "\/usr\/bin\/resolvectl .*Failed to connect to bus/);
    // Our own line does not hide that resolv.conf names systemd-resolved.
    fake.failure = undefined;
    fake.restart();
    await chain.apply(REQUEST);
    assert.equal(chain.kind, "systemd_resolved");
    assert.equal(await Deno.readTextFile(`${path}/resolv.conf`), "nameserver 127.0.0.53\n");
    await assert.rejects(Deno.stat(`${path}/resolv.conf.bak`), Deno.errors.NotFound);
  }));

Deno.test("chooseResolver() gives both reasons if it may not change resolv.conf either", () =>
  withMachine(async ({ path, options }) => {
    await Deno.writeTextFile(`${path}/resolv.conf`, "nameserver 192.168.1.1\n");
    const chain = chooseResolver({ ...options, managed: () => false });
    const { problem, hint } = await chain.apply(REQUEST);
    assert.equal(
      problem,
      `Cannot use systemd-resolved: ${path}/resolv.conf names 192.168.1.1 first; ` +
        `Cannot change ${path}/resolv.conf: dns.manage_resolv_conf does not allow it`,
    );
    assert.deepEqual([chain.kind, chain.reason, hint], [
      "none",
      problem,
      "Set dns.manage_resolv_conf to true",
    ]);
  }));

Deno.test("chooseResolver() uses /etc/resolver on macOS and does nothing on Windows", () =>
  withMachine(async ({ path, options }) => {
    const mac = chooseResolver({ ...options, os: "darwin" });
    await mac.apply(REQUEST);
    assert.deepEqual([mac.kind, await files.listDirectory(`${path}/resolver`)], ["resolver_dir", [
      "a.example",
    ]]);
    const windows = chooseResolver({ ...options, os: "windows" });
    await windows.apply(REQUEST);
    assert.deepEqual([windows.kind, windows.reason], [
      "none",
      "Cannot make this machine use ngrokd's DNS server: not supported on windows",
    ]);
  }));

Deno.test("chooseResolver() without the permission set says how to get it", () =>
  withMachine(async ({ path, options }) => {
    await Deno.writeTextFile(`${path}/resolv.conf`, "nameserver 127.0.0.53\n");
    const chain = chooseResolver({ ...options, mayWrite: () => false });
    await chain.apply(REQUEST);
    assert.equal(chain.kind, "none");
    assert.match(
      chain.reason ?? "",
      /the permission set does not allow it; restart ngrokd by its launcher, .*: ngrokd run/,
    );
  }));
