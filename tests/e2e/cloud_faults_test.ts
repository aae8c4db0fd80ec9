import assert from "node:assert/strict";
import { allCases } from "../long/faults_cloud/cases.ts";
import { runCase } from "../long/faults_cloud/run_case.ts";

// All of them: deno task faults:cloud.
const SOME = [
  ["register", "`html` 404"],
  ["poll", "`empty_list`, every other poll"],
  ["poll", "`redirect` to another host"],
  ["renew", "`wrong_key_certificate`"],
  ["connect", "`ingress.wrong_name`"],
  ["switch", '`refusal`: "reset"'],
] as const;

for (const [index, [moment, title]] of SOME.entries()) {
  Deno.test(`the real daemon lives through ${title} of the cloud (${moment}), goes on, and says what the user needs`, async () => {
    const one = allCases().find((some) => some.moment === moment && some.title === title);
    assert.ok(one !== undefined, "the table has this case");
    const { problems, did } = await runCase(one, 10 + index);
    assert.deepEqual(problems, []);
    assert.ok(did.length > 0);
  });
}
