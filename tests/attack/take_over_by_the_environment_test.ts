import assert from "node:assert/strict";
import { HOSTILE_ENVIRONMENTS } from "../../scripts/hostile/environments.ts";
import { Stage } from "../../sim/stage.ts";
import { shell } from "../root/commands.ts";
import { rootTests } from "../root/test_root.ts";

const testInside = rootTests(import.meta.url, { etc: true });

const ENDPOINT = { url: "tcp://db.myapp:5432", backend: "echo" } as const;
const START = new URL("../../scripts/start.sh", import.meta.url).pathname;
const BEHIND_START = `set -- /bin/sh ${START} "$@"`;

/** A directory of the attacker: code, and a CA of which everything is signed. */
async function hostileDirectory(stage: Stage): Promise<string> {
  const directory = await Deno.makeTempDir({ dir: stage.directory });
  await Deno.mkdir(`${directory}/bin`);
  for (const name of ["ip", "nft", "resolvectl", "env", "perl"]) {
    const trap = `#!/bin/sh\ntouch ${directory}/ran\nexec /usr/bin/${name} "$@"\n`;
    await Deno.writeTextFile(`${directory}/bin/${name}`, trap, { mode: 0o755 });
  }
  await Deno.writeTextFile(`${directory}/code.cjs`, `console.error("foreign code");\n`);
  await Deno.writeTextFile(`${directory}/aliases`, "api api.example.com\n");
  await Deno.writeTextFile(`${directory}/ca.pem`, stage.cloud.caPem);
  return directory;
}

/** The names of the directory's files. */
function entries(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
}

Deno.test("a variable that lets others in does not reach a daemon that start.sh has started", async () => {
  await using stage = await Stage.open({ prelude: BEHIND_START });
  stage.cloud.addEndpoint(ENDPOINT);
  const directory = await hostileDirectory(stage);
  const before = entries(directory);
  const removed = HOSTILE_ENVIRONMENTS.filter(({ removed }) => removed);
  stage.startDaemon({
    environment: Object.assign({}, ...removed.map(({ variables }) => variables(directory))),
  });
  await stage.active(1);
  const names = (await shell(`tr '\\0' '\\n' < /proc/${stage.pid}/environ`)).split("\n")
    .map((entry) => entry.split("=")[0]!);
  const reached = removed.flatMap(({ variables }) => Object.keys(variables(directory)))
    .filter((name) => names.includes(name));
  assert.deepEqual(reached, []);
  assert.deepEqual((await stage.askStatus()).config.warnings, []);
  assert.equal(await stage.stopDaemon(), 0);
  assert.deepEqual(entries(directory), before);
  assert.ok(!stage.log.some((line) => line.includes("foreign code")), stage.log.join("\n"));
});

const WAYS = [
  { way: "started by hand", prelude: "true" },
  { way: "behind start.sh", prelude: BEHIND_START },
];
for (const { way, prelude } of WAYS) {
  Deno.test(`a daemon ${way} behaves in each hostile environment as the documentation says`, async () => {
    await using stage = await Stage.open({ prelude });
    stage.cloud.addEndpoint(ENDPOINT);
    const wrong: string[] = [];
    for (const { variables, removed, byHand } of HOSTILE_ENVIRONMENTS) {
      const directory = await hostileDirectory(stage);
      const environment = variables(directory);
      const [[name, value] = ["", ""]] = Object.entries(environment);
      const expected = removed && prelude === BEHIND_START ? "no effect" : byHand;
      stage.log.length = 0;
      const seen = await behaviour(stage, { name, environment });
      if (seen !== expected) wrong.push(`${name}=${value}: ${seen}\n${stage.log.join("\n")}`);
      if (entries(directory).includes("ran")) wrong.push(`${name}=${value}: a program of the attacker ran`);
    }
    assert.deepEqual(wrong, []);
  });
}

for (const { way, prelude } of WAYS) {
  testInside(`a daemon ${way} finds ip, nft and resolvectl whatever PATH is`, async () => {
    await using stage = await Stage.open({ shipped: true, prelude });
    stage.cloud.addEndpoint(ENDPOINT);
    const directory = await hostileDirectory(stage);
    stage.startDaemon({ environment: { PATH: `${directory}/bin:/usr/bin:/bin` } });
    await stage.active(1);
    assert.equal((await stage.askStatus()).addresses.driver, "linux_ip");
    assert.equal(await stage.stopDaemon(), 0);
    assert.ok(!entries(directory).includes("ran"), "a program of the attacker ran");
  });
}

/** Starts a daemon in the environment, and stops it again. */
async function behaviour(
  stage: Stage,
  { name, environment }: { name: string; environment: Readonly<Record<string, string>> },
): Promise<string> {
  stage.startDaemon({ environment });
  let hasEnded = false;
  void stage.daemonEnded.then(() => hasEnded = true);
  await stage.until(
    `an endpoint, or the end, with ${name}`,
    async () => hasEnded || (await stage.askStatus().catch(() => undefined))?.active_count === 1,
  );
  if (hasEnded) {
    await stage.stopDaemon();
    return "does not start";
  }
  const status = await stage.askStatus();
  const isReported = status.config.warnings.some((text) => text.startsWith(`The variable ${name} is set`));
  const isRefused = /permission set does not allow it/.test(JSON.stringify(status) + stage.log.join("\n"));
  // The inspector prints its address, which no longer answers.
  const inspector = /ws:\/\/127\.0\.0\.1:([0-9]+)\//.exec(stage.log.join("\n"));
  if (inspector !== null) {
    await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port: Number(inspector[1]) }));
  }
  assert.equal(await stage.stopDaemon(), 0);
  if (isReported) return "reported";
  return isRefused ? "refused" : "no effect";
}
