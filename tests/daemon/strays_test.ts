import assert from "node:assert/strict";
import { runDaemon } from "../../src/daemon/run.ts";
import { fakeMachine } from "./fake_machine.ts";
import { withDaemon } from "./with_daemon.ts";

async function strays(directory: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of Deno.readDir(directory)) if (name.includes(".tmp")) found.push(name);
  return found.sort();
}

for (const how of ["start", "cleanup"] as const) {
  Deno.test(`${how} removes the temporary files of a killed daemon (the one of a private key stayed for ever) (F1)`, async () => {
    await using machine = await fakeMachine("net: {subnet: 127.117.0.0/16}");
    const { directory, configPath, system } = machine;
    await Deno.mkdir(`${directory}/state`);
    for (const path of [`${directory}/state/tls.key`, `${directory}/state/journal.json`, configPath]) {
      await Deno.writeTextFile(`${path}.ngrokd.tmp`, "half");
    }
    await Deno.writeTextFile(`${directory}/state/own.tmp`, "of the user");
    if (how === "cleanup") assert.equal(await runDaemon(["cleanup", "--config", configPath], system), 0);
    else await withDaemon(machine, () => Promise.resolve());
    assert.deepEqual([await strays(`${directory}/state`), await strays(directory)], [["own.tmp"], []]);
  });
}
