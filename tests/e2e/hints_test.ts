import assert from "node:assert/strict";
import { listSources } from "../../scripts/list_sources.ts";
import { Stage } from "../../sim/stage.ts";
import { commandsIn } from "../../src/lib/own_commands.ts";
import { runProgram } from "../root/commands.ts";
import { rootTests } from "../root/test_root.ts";

const ROOT = new URL("../../", import.meta.url);
/** A program of ngrokd behind words that introduce a command. */
const INTRODUCED = /(?::|\b[Rr]un|\band|\bor|,|\bsudo) (ngrok(?:d|ctl) [a-z-]+(?: edit)?)/g;
/** A verb in a sentence about ngrokd: `ngrokd runs`. */
const VERB = /(?<!statu)s$| (?:can|may|does)$/;
/** Commands that end the daemon's work or need a terminal; they come after the others. */
const ALONE = ["ngrokd run", "ngrokd launch", "ngrokd cleanup", "ngrokd deregister"];

const test = rootTests(import.meta.url, { etc: true });

/** Runs a command on a terminal of its own, and types these keys once it prints the prompt. */
async function runOnTerminal(
  command: string,
  typing: { readonly prompt: string; readonly keys: string } = { prompt: "", keys: "" },
): Promise<{ code: number; stdout: string }> {
  const child = new Deno.Command("script", {
    args: ["--quiet", "--return", "--command", command, "/dev/null"],
    env: { EDITOR: "true" },
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  let stdout = "";
  let isTyped = typing.keys === "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    stdout += text;
    if (isTyped || !stdout.includes(typing.prompt)) continue;
    isTyped = true;
    await writer.write(new TextEncoder().encode(typing.keys));
  }
  await writer.close().catch(() => {});
  return { code: (await child.status).code, stdout };
}

/** The lines of `src/` without comments. */
async function sourceText(): Promise<string> {
  const files = await listSources(ROOT, ["src/"]);
  const texts = await Promise.all(files.map((path) => Deno.readTextFile(new URL(path, ROOT))));
  return texts.join("\n").replaceAll(/^\s*(?:\/\/|\/?\*).*$/gm, "");
}

Deno.test("every command of ngrokd in a hint is one that ngrokd knows", async () => {
  const text = await sourceText();
  const introduced = [...text.matchAll(INTRODUCED)].map((match) => match[1]!)
    .filter((command) => !VERB.test(command));
  assert.ok(introduced.length > 30, introduced.join("\n"));
  assert.doesNotMatch(text, /deno task/, "a task works in the directory of the checkout only");
  const unknown = introduced.filter((command) => commandsIn(`${command} ${command} show`).length === 0);
  assert.deepEqual(unknown, []);
});

test("every command of ngrokd in a hint works from the directory that the hint names", async () => {
  await using stage = await Stage.open({ shipped: true, server: "log_level: debug" });
  stage.cloud.addEndpoint({ url: "http://a.myapp:8801", backend: "http" });
  stage.startDaemon();
  await stage.active(1);
  const run = (command: string) => runOnTerminal(`bin/${command}`);

  const refused = await stage.ctl(["lst"]);
  const named = /Did you mean: (\S+) list/.exec(refused.stderr)?.[1];
  assert.equal(named, new URL("bin/ngrokctl", ROOT).pathname);

  const commands = new Set(commandsIn(await sourceText()).filter((command) => !ALONE.includes(command)));
  // They need input, and come below.
  for (const command of ["ngrokctl trust fetch", "ngrokctl set-api-key"]) commands.delete(command);
  for (const command of [...commands, "ngrokctl list --json", "ngrokctl refresh-cert --force"]) {
    const { code, stdout } = await run(command);
    assert.equal(code, 0, `${command}: ${stdout}`);
  }
  const key = stage.cloud.apiKey;
  const typed = await runOnTerminal("bin/ngrokctl set-api-key -", { prompt: "API key: ", keys: `${key}\r` });
  assert.equal(typed.code, 0, typed.stdout);
  assert.ok(!typed.stdout.includes(key), "the key is not echoed");
  const left = await runOnTerminal("bin/ngrokctl set-api-key -", { prompt: "API key: ", keys: "\x03" });
  assert.deepEqual([left.code, left.stdout], [
    130,
    "Create a key on the page of API keys of https://dashboard.ngrok.com\r\nAPI key: \r\nInterrupted\r\n",
  ]);
  const fetched = await runProgram(["/bin/sh", "-c", "bin/ngrokctl trust fetch --file - < /dev/null"]);
  assert.equal(fetched.code, 1, fetched.stderr);
  assert.match(fetched.stderr, /^Error: Cannot use the CA: it holds no PEM certificate/);

  Deno.kill(-stage.pid, "SIGKILL");
  await stage.daemonEnded;
  const cleaned = await run("ngrokd cleanup");
  assert.equal(cleaned.code, 0, cleaned.stdout);
  assert.match(cleaned.stdout, /Removed the names in \/etc\/hosts/);
  assert.match(cleaned.stdout, /Removed virtual addresses/);
  const again = await run("ngrokd cleanup");
  assert.equal(again.code, 0, again.stdout);
  assert.doesNotMatch(again.stdout, /Removed/);
  assert.equal((await run("ngrokd deregister")).code, 0);
  const misspelt = await run("ngrokd clenup");
  assert.equal(misspelt.code, 2);
  assert.match(misspelt.stdout, /Did you mean: \S+\/bin\/ngrokd cleanup/);
});
