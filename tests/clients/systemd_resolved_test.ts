import assert from "node:assert/strict";
import { sendSignal } from "../../sim/send_signal.ts";
import { machineState, runProgram, shell } from "../root/commands.ts";
import { Lan } from "../root/lan.ts";
import { ClientStage, type Mode } from "./client_stage.ts";
import { clientTests } from "./client_tests.ts";
import { SYSTEMD_MACHINE } from "./systemd_machine.ts";

const test = clientTests(import.meta.url, {
  name: "systemd-resolved",
  programs: { resolvectl: "systemd-resolved", getent: "libc-bin", curl: "curl" },
  machine: SYSTEMD_MACHINE,
});

const EXACT = "api.exact.test";
const WILDCARD = "x.apps.test";

function open(mode: Mode): Promise<ClientStage> {
  return ClientStage.open({
    mode,
    // The permission set for the resolver, from the start.
    dns: "enabled: true",
    endpoints: { [`http://${EXACT}`]: "http", "http://*.apps.test": "http" },
  });
}

/** Demands that both names resolve in all three ways: by D-Bus, by nsswitch, and for a program. */
async function assertResolve(daemon: ClientStage): Promise<void> {
  for (const name of [EXACT, WILDCARD]) {
    // systemd-resolved reads the hosts file again after 2 s at the earliest.
    await daemon.stage.until(`${name} resolves`, async () => {
      const query = await runProgram(["resolvectl", "query", "--cache=no", name]);
      const lookUp = await runProgram(["getent", "ahostsv4", name]);
      const address = /: ([0-9.]+)/.exec(query.stdout)?.[1];
      return address !== undefined && lookUp.stdout.startsWith(`${address} `);
    });
    const page = await daemon.succeeds(["curl", "-sS", "--ipv4", `http://${name}`]);
    assert.ok(page.includes(name), page);
  }
  // While systemd-resolved restarts it cannot be asked, and the next refresh is 10 s later.
  await daemon.stage.until("status shows systemd-resolved", async () => {
    const { driver, reason } = (await daemon.stage.askStatus()).dns.resolver;
    return driver === "systemd_resolved" && reason === null;
  });
}

/** Everything that ngrokd may have changed, with the settings of systemd-resolved. */
async function everything(): Promise<string> {
  return JSON.stringify([await machineState(), await shell("resolvectl domain; resolvectl dns")], null, 2);
}

async function assertGone({ stage }: ClientStage, before: string): Promise<void> {
  // systemd-resolved learns by and by that an interface has gone.
  const isAsBefore = async () => await everything() === before;
  await stage.until("everything is as before", isAsBefore).catch(() => {});
  assert.equal(await everything(), before);
  for (const name of [EXACT, WILDCARD]) {
    await stage.until(`${name} is unknown`, async () => {
      return (await runProgram(["resolvectl", "query", "--cache=no", name])).code !== 0;
    });
    assert.equal((await runProgram(["getent", "ahostsv4", name])).code, 2);
  }
}

for (const mode of ["virtual", "network"] satisfies Mode[]) {
  test(mode, "names and wildcards resolve, also after a restart and a revert, until SIGTERM", async () => {
    const before = await everything();
    await using daemon = await open(mode);
    await assertResolve(daemon);
    await shell("systemctl restart systemd-resolved");
    await assertResolve(daemon);
    await shell("resolvectl revert ngrokd0");
    await assertResolve(daemon);
    assert.equal(await daemon.stage.stopDaemon(), 0);
    await assertGone(daemon, before);
  });
}

test("virtual", "cleanup removes what a killed daemon left", async () => {
  const before = await everything();
  await using daemon = await open("virtual");
  await assertResolve(daemon);
  sendSignal(-daemon.stage.pid, "SIGKILL");
  await daemon.stage.stopDaemon();
  assert.notEqual(await everything(), before);
  await daemon.succeeds([Deno.execPath(), "task", "--quiet", "ngrokd", "cleanup"]);
  await assertGone(daemon, before);
});

test("virtual", "names resolve after rebind moved the addresses away from a VPN", async () => {
  await using daemon = await open("virtual");
  await assertResolve(daemon);
  await using _vpn = await openVpn();
  const { stdout, stderr } = await daemon.stage.ctl(["rebind"]);
  assert.match(
    stdout,
    /^✓ Moved the virtual addresses from 10\.107\.0\.0\/16 to 172\.16\.0\.0\/16; /,
    stderr,
  );
  await assertResolve(daemon);
  assert.match(await shell("resolvectl dns ngrokd0"), /: 172\.16\.0\.1$/m);
});

/** A VPN to all of 10.0.0.0/8. */
async function openVpn(): Promise<AsyncDisposable> {
  const lan = new Lan();
  await lan.create(lan.cidr(1));
  await shell(`/sbin/ip route add 10.0.0.0/8 via ${lan.address(2)}`);
  return { [Symbol.asyncDispose]: () => lan.delete() };
}
