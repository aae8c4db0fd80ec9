import assert from "node:assert/strict";
import { runProgram } from "../root/commands.ts";
import type { RootOptions } from "../root/test_root.ts";

const MAKE_ROOT = "tests/clients/systemd_root.sh";

/** A Debian that systemd has booted, with systemd-resolved and D-Bus, for each test. */
export const SYSTEMD_MACHINE: Pick<RootOptions, "prepare" | "prelude"> = {
  async prepare() {
    // In the namespaces of the test there is no network to make it from.
    const { code, stderr } = await runProgram(["sh", MAKE_ROOT]);
    assert.equal(code, 0, stderr);
  },
  prelude: `root=$(sh ${MAKE_ROOT})\nset -- sh tests/clients/systemd_machine.sh "$root" "$@"`,
};
