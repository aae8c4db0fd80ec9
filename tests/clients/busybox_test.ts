import type { Mode } from "./client_stage.ts";
import { clientTests } from "./client_tests.ts";
import { BELOW_WILDCARD, EXACT, MOUNTED_FILES, type NameLookup, NameStage } from "./name_stage.ts";

const test = clientTests(import.meta.url, {
  name: "BusyBox wget",
  programs: { busybox: "busybox-static" },
});

/** The simulated cloud answers with the name of the request. */
function find(name: string): NameLookup {
  return {
    argv: ["busybox", "wget", "-q", "-O", "-", `http://${name}/`],
    shows: new RegExp(name.replaceAll(".", "\\.")),
  };
}

for (const mode of ["virtual", "network"] satisfies Mode[]) {
  for (const [where, etc] of [["on a plain machine", ""], ["in a container", MOUNTED_FILES]] as const) {
    test(mode, `reaches exact names and names below a wildcard ${where}`, async () => {
      await using names = await NameStage.open({ mode, find, etc });
      for (const name of [EXACT, BELOW_WILDCARD]) await names.untilFound(name);
      await names.assertLeavesNothing();
    });
  }
}
