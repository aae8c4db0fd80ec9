import assert from "node:assert/strict";
import { runProgram, shell } from "./commands.ts";
import { rootTests } from "./test_root.ts";

const SCRIPT = "tests/clients/systemd_root.sh";
const ROOT = "/var/cache/ngrokd-tests/systemd-root";

const test = rootTests(import.meta.url, { prelude: "mount -t tmpfs tmpfs /var/cache" });

/** Makes this machine a Debian of this version, with a debootstrap of these lines. */
async function pretend(version: string, debootstrap: string): Promise<string> {
  await shell(`
    mkdir -p /var/cache/bin
    echo 'VERSION_CODENAME=${version}' >/var/cache/os-release
    mount --bind /var/cache/os-release "$(readlink -f /etc/os-release)"
    printf '#!/bin/sh\\n%s\\n' 'echo http://mirror.test ${version}' >/var/cache/bin/apt-get
    cat >/var/cache/bin/debootstrap <<'END'
#!/bin/sh
${debootstrap}
END
    chmod +x /var/cache/bin/*
  `);
  return "/var/cache/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

test("systemd_root.sh makes the version of this machine once, and --check says how", async () => {
  const PATH = await pretend("trixie", 'echo "$@" >/var/cache/asked; mkdir -p "$4/etc"');
  const make = (...options: string[]) => runProgram(["env", `PATH=${PATH}`, "sh", SCRIPT, ...options]);
  const missing = await make("--check");
  assert.deepEqual([missing.code, missing.stdout], [1, ""]);
  assert.match(missing.stderr, /for trixie: run sudo sh tests\/clients\/systemd_root\.sh$/m);
  await assert.rejects(Deno.stat("/var/cache/asked"), Deno.errors.NotFound);

  assert.equal((await make()).stdout, `${ROOT}\n`);
  assert.match(await Deno.readTextFile("/var/cache/asked"), / trixie \S+\.new http:\/\/mirror\.test$/m);
  await shell("rm /var/cache/asked");
  assert.equal((await make()).stdout, `${ROOT}\n`);
  await assert.rejects(Deno.stat("/var/cache/asked"), Deno.errors.NotFound);
  assert.equal((await make("--check")).stdout, `${ROOT}\n`);
  await shell("echo VERSION_CODENAME=forky >/var/cache/os-release");
  assert.equal((await make("--check")).code, 1);
});

// debootstrap went on for minutes with the lock, and every other run waited for it.
test("systemd_root.sh ends debootstrap and frees its lock when it is ended", async () => {
  const PATH = await pretend(
    "trixie",
    "exec 8>/var/cache/busy; flock 8; mkfifo /var/cache/never; cat /var/cache/never",
  );
  const making = new Deno.Command("sh", { args: [SCRIPT], env: { PATH }, stdout: "null", stderr: "null" })
    .spawn();
  await shell("until [ -p /var/cache/never ]; do sleep 0.05; done");
  assert.notEqual((await runProgram(["flock", "--nonblock", `${ROOT}.lock`, "true"])).code, 0);
  making.kill("SIGTERM");
  assert.equal((await making.status).code, 143);
  for (const lock of [`${ROOT}.lock`, "/var/cache/busy"]) await shell(`flock --timeout 5 ${lock} true`);
});
