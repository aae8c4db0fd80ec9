import assert from "node:assert/strict";
import { DANGEROUS_VARIABLES, SIGNAL_VARIABLE } from "../../src/config/environment_warnings.ts";

const SCRIPT = new URL("../../scripts/start.sh", import.meta.url).pathname;
/** The bit of SIGUSR1 in the masks of /proc. */
const SIGUSR1 = 1n << 9n;

/** The variables that the script removes. */
async function removed(): Promise<string[]> {
  const [, list] = /^unset ((?:.*\\\n)*.*)\n/m.exec(await Deno.readTextFile(SCRIPT))!;
  return list!.split(/[\s\\]+/);
}

/** The output of a program that the script starts with this environment. */
async function start(program: readonly string[], env: Record<string, string>): Promise<string> {
  const command = new Deno.Command("/bin/sh", {
    args: [SCRIPT, ...program],
    env: { ...env, PATH: `${env.PATH ?? ""}:/usr/bin:/bin` },
    clearEnv: true,
  });
  const { code, stdout } = await command.output();
  assert.equal(code, 0);
  return new TextDecoder().decode(stdout);
}

/** The environment of a program that the script starts. */
async function environment(env: Record<string, string>): Promise<Map<string, string>> {
  const lines = (await start(["/usr/bin/env"], env)).trim().split("\n");
  return new Map(lines.map((line) => [line.split("=")[0]!, line.slice(line.indexOf("=") + 1)]));
}

/** True if SIGUSR1 is blocked in a program that the script starts; a shell would unblock it. */
async function isBlocked(env: Record<string, string>): Promise<boolean> {
  const [, mask] = (await start(["grep", "SigBlk", "/proc/self/status"], env)).trim().split(/\s+/);
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
    const directory = await Deno.makeTempDir({ prefix: "start-" });
    try {
      for (const name of broken) {
        const fails = name === "env"
          ? 'case "$1" in --block*) exit 125; esac; exec /usr/bin/env "$@"'
          : "exit 1";
        await Deno.writeTextFile(`${directory}/${name}`, `#!/bin/sh\n${fails}\n`, { mode: 0o755 });
      }
      const env = { PATH: directory, [SIGNAL_VARIABLE]: "blocked" };
      assert.equal(await isBlocked(env), blocks, `without ${broken}`);
      assert.equal((await environment(env)).get(SIGNAL_VARIABLE), blocks ? "blocked" : undefined);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  }
});

Deno.test("the unit in docs/reliability.md removes the variables of start.sh, and blocks SIGUSR1", async () => {
  const text = await Deno.readTextFile(new URL("../../docs/reliability.md", import.meta.url));
  const lines = [...text.matchAll(/^UnsetEnvironment=(.*)$/gm)].map((match) => match[1]!);
  assert.deepEqual(lines.flatMap((line) => line.split(" ")).sort(), (await removed()).sort());
  assert.match(text, /^ExecStart=\/usr\/bin\/env --block-signal=USR1 /m);
  assert.match(text, new RegExp(`^Environment=${SIGNAL_VARIABLE}=blocked$`, "m"));
});
