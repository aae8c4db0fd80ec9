import assert from "node:assert/strict";
import { RegistrationMarker } from "../../src/account/registration_marker.ts";
import * as files from "../../src/system/files.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";

Deno.test("RegistrationMarker keeps a marker until it ends, also for the next process", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/state/registration_mark`;
  const marker = new RegistrationMarker(path, files);
  assert.equal(await marker.pending(), undefined);
  const begun = await marker.begin();
  assert.equal(await new RegistrationMarker(path, files).pending(), begun);
  await marker.end();
  assert.equal(await marker.pending(), undefined);
});

Deno.test("RegistrationMarker logs a damaged file once and counts it as missing (R42)", async () => {
  await using directory = await temporaryDirectory();
  await using log = await captureLog();
  const path = `${directory.path}/registration_mark`;
  const marker = new RegistrationMarker(path, files);
  const whole = await marker.begin();
  for (const text of ["", whole.slice(0, 20)]) {
    await Deno.writeTextFile(path, text);
    assert.equal(await marker.pending(), undefined);
    assert.equal(await marker.pending(), undefined);
  }
  assert.deepEqual(log.lines("warning"), [`Cannot use the registration marker: ${path} is damaged`]);
});
