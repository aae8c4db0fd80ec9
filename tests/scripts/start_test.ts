import assert from "node:assert/strict";
import { DANGEROUS_VARIABLES, SIGNAL_VARIABLE } from "../../src/config/environment_warnings.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";

const SCRIPT = new URL("../../scripts/start.sh", import.meta.url).pathname;
/** The bit of SIGUSR1 in the masks of /proc. */
const SIGUSR1 = 1n << 9n;

/** The variables that the script removes. */
async function removed(): Promise<string[]> {
  const [, list] = /^unset ((?:.*\\\n)*.*)\n/m.exec(await Deno.readTextFile(SCRIPT))!;
  return list!.split(/[\s\\]+/);
}

/** The output of a program that the script starts with this environment. */
async function start(
  program: readonly string[],
  { env, script = SCRIPT }: { env: Record<string, string>; script?: string | undefined },
): Promise<string> {
  const command = new Deno.Command("/bin/sh", {
    args: [script, ...program],
    env: { ...env, PATH: `${env.PATH ?? ""}:/usr/bin:/bin` },
    clearEnv: true,
  });
  const { code, stdout } = await command.output();
  assert.equal(code, 0);
  return new TextDecoder().decode(stdout);
}

/** The environment of a program that the script starts. */
async function environment(env: Record<string, string>, script?: string): Promise<Map<string, string>> {
  const lines = (await start(["/usr/bin/env"], { env, script })).trim().split("\n");
  return new Map(lines.map((line) => [line.split("=")[0]!, line.slice(line.indexOf("=") + 1)]));
}

/** True if SIGUSR1 is blocked in a program that the script starts; a shell would unblock it. */
async function isBlocked(env: Record<string, string>, script?: string): Promise<boolean> {
  const [, mask] = (await start(["grep", "SigBlk", "/proc/self/status"], { env, script })).trim().split(
    /\s+/,
  );
  return (BigInt(`0x${mask}`) & SIGUSR1) !== 0n;
}

Deno.test("start.sh removes every variable that lets others in, and keeps all others", async () => {
  const names = await removed();
  for (const name of Object.keys(DANGEROUS_VARIABLES)) assert.ok(names.includes(name), name);
  const env = await environment(Object.fromEntries([...names, "NGROK_API_KEY"].map((name) => [name, "x"])));
  assert.deepEqual(names.filter((name) => env.has(name)), []);
  assert.equal(env.get("NGROK_API_KEY"), "x");
});

Deno.test("start.sh blocks SIGUSR1 by GNU env, else by perl, and else does not say so", async () => {
  const cases = [
    { broken: [], blocks: true },
    { broken: ["env"], blocks: true },
    { broken: ["env", "perl"], blocks: false },
  ];
  for (const { broken, blocks } of cases) {
    await using directory = await temporaryDirectory();
    let text = await Deno.readTextFile(SCRIPT);
    for (const name of broken) text = text.replaceAll(`/usr/bin/${name} `, "/usr/bin/false ");
    const script = `${directory.path}/start.sh`;
    await Deno.writeTextFile(script, text);
    await Deno.copyFile(SCRIPT.replace("start.sh", "find_deno.sh"), `${directory.path}/find_deno.sh`);
    const env = { [SIGNAL_VARIABLE]: "blocked" };
    assert.equal(await isBlocked(env, script), blocks, `without ${broken}`);
    assert.equal((await environment(env, script)).get(SIGNAL_VARIABLE), blocks ? "blocked" : undefined);
  }
});

// They run as root before the program.
Deno.test("start.sh runs no env and no perl of another PATH, and no code of PERL5OPT", async () => {
  await using directory = await temporaryDirectory();
  const ran = `${directory.path}/ran`;
  for (const name of ["env", "perl"]) {
    await Deno.writeTextFile(`${directory.path}/${name}`, `#!/bin/sh\ntouch ${ran}\n`, { mode: 0o755 });
  }
  await Deno.writeTextFile(`${directory.path}/Evil.pm`, `open(F, ">${ran}"); 1;\n`);
  const script = `${directory.path}/start.sh`;
  await Deno.copyFile(SCRIPT.replace("start.sh", "find_deno.sh"), `${directory.path}/find_deno.sh`);
  for (const env of ["/usr/bin/env ", "/usr/bin/false "]) {
    await Deno.writeTextFile(script, (await Deno.readTextFile(SCRIPT)).replaceAll("/usr/bin/env ", env));
    const hostile = { PATH: directory.path, PERL5OPT: "-MEvil", PERL5LIB: directory.path };
    assert.ok(await isBlocked(hostile, script));
    await assert.rejects(Deno.stat(ran), Deno.errors.NotFound);
  }
});

/** Makes a directory `path` with the programs that the scripts use, and `bin/deno`. */
const LINKS = `
  mkdir path bin
  ln -s "$1" bin/deno
  for name in sh true readlink ps; do
    for directory in /usr/bin /bin; do [ -e "path/$name" ] || ln -s "$directory/$name" path; done
  done`;

// `sudo` has a PATH of its own, in which many machines have no deno.
Deno.test("the tasks start their programs although deno is not in PATH", async () => {
  await using directory = await temporaryDirectory();
  await new Deno.Command("/bin/sh", {
    args: ["-ec", LINKS, "links", Deno.execPath()],
    cwd: directory.path,
  }).output();
  const { HOME, DENO_DIR } = Deno.env.toObject();
  for (const task of ["ngrokd", "launch", "ngrokctl"]) {
    const { code, stdout, stderr } = await new Deno.Command(`${directory.path}/bin/deno`, {
      args: ["task", "--quiet", task, "--version"],
      cwd: new URL("../../", import.meta.url),
      clearEnv: true,
      env: {
        PATH: `${directory.path}/path`,
        ...(HOME === undefined ? {} : { HOME }),
        ...(DENO_DIR === undefined ? {} : { DENO_DIR }),
      },
    }).output();
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assert.deepEqual([code, /version/.test(out!)], [0, true], `${task}: ${out}${err}`);
  }
});

Deno.test("the unit in docs/reliability.md removes the variables of start.sh, and blocks SIGUSR1", async () => {
  const text = await Deno.readTextFile(new URL("../../docs/reliability.md", import.meta.url));
  const lines = [...text.matchAll(/^UnsetEnvironment=(.*)$/gm)].map((match) => match[1]!);
  assert.deepEqual(lines.flatMap((line) => line.split(" ")).sort(), (await removed()).sort());
  assert.match(text, /^ExecStart=\/usr\/bin\/env --block-signal=USR1 /m);
  assert.match(text, new RegExp(`^Environment=${SIGNAL_VARIABLE}=blocked$`, "m"));
});
