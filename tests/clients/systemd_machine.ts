import assert from "node:assert/strict";
import { runProgram } from "../root/commands.ts";
import type { RootOptions } from "../root/test_root.ts";

const MAKE_ROOT = "tests/clients/systemd_root.sh";

/** A Debian that systemd has booted, with systemd-resolved and D-Bus, for each test. */
export const SYSTEMD_MACHINE: Pick<RootOptions, "prepare" | "prelude"> = {
  async prepare() {
    // It takes longer than a test may, and in the namespaces of the test there is no network.
    const { code, stderr } = await runProgram(["sh", MAKE_ROOT, "--check"]);
    assert.equal(code, 0, stderr);
  },
  prelude: `root=$(sh ${MAKE_ROOT} --check)\nset -- sh tests/clients/systemd_machine.sh "$root" "$@"`,
};
