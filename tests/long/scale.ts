import { parseArgs } from "node:util";
import { writeErr } from "../../src/system/terminal.ts";
import { NAMESPACES, OWN_ETC } from "../root/namespace.ts";
import { NEEDS_ROOT } from "../root/needs_root.ts";
import { runScale } from "./scale/run.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

/** As root in namespaces of its own, which it cannot outlive; gives the exit code. */
async function runInside(count: number, patience: number): Promise<number> {
  const { code } = await new Deno.Command("unshare", {
    args: [
      ...NAMESPACES,
      ...["/bin/sh", "-ec", `/sbin/ip link set lo up\n${OWN_ETC}\n"$@" || exit $?`, "sh"],
      ...[Deno.execPath(), "run", "-P=stage", "--no-prompt", "--no-check", "--quiet"],
      ...["tests/long/scale/run.ts", String(count), String(patience)],
    ],
    cwd: ROOT,
    stdin: "null",
  }).spawn().status;
  return code;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      endpoints: { type: "string", default: "10000" },
      patience: { type: "string", default: "1" },
    },
  });
  const [count, patience] = [Number(values.endpoints), Number(values.patience)];
  if (!(Number.isInteger(count) && count >= 2 && patience >= 1)) {
    writeErr("Usage: deno task scale [--endpoints=N] [--patience=TIMES]    (N: 2 or more)\n");
    Deno.exit(2);
  }
  Deno.exit(
    NEEDS_ROOT ? await runScale(count, { shipped: false, patience }) : await runInside(count, patience),
  );
}
