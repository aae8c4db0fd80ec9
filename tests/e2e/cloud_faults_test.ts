import assert from "node:assert/strict";
import { allCases } from "../long/faults_cloud/cases.ts";
import { runCase } from "../long/faults_cloud/run_case.ts";

// `deno task faults:cloud` runs all of them.
const SOME = [
  ["register", "`html` 404"],
  ["poll", "`empty_list`, every other poll"],
  ["poll", "`redirect` to another host"],
  ["renew", "`wrong_key_certificate`"],
  ["connect", "`ingress.wrong_name`"],
  ["switch", '`refusal`: "reset"'],
] as const;

for (const [moment, title] of SOME) {
  Deno.test(`the daemon survives ${title} of the cloud (${moment}), and the user reads why`, async () => {
    const found = allCases().find((each) => each.moment === moment && each.title === title);
    assert.ok(found !== undefined, "the table has this case");
    const { problems, actions } = await runCase(found);
    assert.deepEqual(problems, []);
    assert.ok(actions.length > 0);
  });
}
