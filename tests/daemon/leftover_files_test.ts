import assert from "node:assert/strict";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { makeLink } from "../fakes/special_files.ts";
import { withDaemon } from "../fakes/with_daemon.ts";

async function temporaryFiles(directory: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of Deno.readDir(directory)) if (name.includes(".tmp")) found.push(name);
  return found.sort();
}

// A temporary file with a private key stayed for ever.
for (const action of ["run", "cleanup"] as const) {
  Deno.test(`ngrokd ${action} removes the temporary files of a daemon that was killed (F1)`, async () => {
    await using machine = await FakeMachine.create();
    const { directory, etc, configPath } = machine;
    // The configuration may be a link to a file in another directory.
    const target = `${directory}/config.yml`;
    await Deno.rename(configPath, target);
    await makeLink(target, configPath);
    for (const path of [`${etc}/tls.key`, `${etc}/journal.json`, target]) {
      await Deno.writeTextFile(`${path}.ngrokd.tmp`, "half");
    }
    await Deno.writeTextFile(`${etc}/own.tmp`, "of the user");
    if (action === "cleanup") assert.equal(await machine.run("cleanup"), 0);
    else await withDaemon(machine, () => {});
    assert.deepEqual(await temporaryFiles(etc), ["own.tmp"]);
    assert.deepEqual(await temporaryFiles(directory), []);
  });
}
