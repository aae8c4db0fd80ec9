import assert from "node:assert/strict";
import type { CtlIo } from "../../../src/cli/io.ts";
import { connectLocal } from "../../../src/system/local_socket.ts";
import { startFakeDaemon } from "../fake_daemon.ts";
import { runFake } from "../fake_io.ts";

const DONE = "API key set successfully";

async function setKey(argv: readonly string[], effects: Partial<CtlIo> = {}) {
  await using daemon = await startFakeDaemon({ "set-api-key": DONE });
  const ran = await runFake(["--socket", daemon.path, "set-api-key", ...argv], {
    connect: connectLocal,
    ...effects,
  });
  return { ...ran, asked: [...daemon.asked] };
}

Deno.test("ngrokctl set-api-key - reads the key from standard input and prints the next steps", async () => {
  const { code, out, err, asked } = await setKey(["-"], { readStdin: () => Promise.resolve("  k3y\r\n") });
  assert.deepEqual([code, err, asked], [0, "", [{ command: "set-api-key", args: ["k3y"] }]]);
  assert.match(
    out,
    /^✓ API key set successfully\n\n.+\n {2}1\. .+\n {2}2\. .+\n {2}3\. .+\n\n.*ngrokctl status\n$/,
  );
});

Deno.test("ngrokctl set-api-key prompts on a terminal, without echo", async () => {
  const prompts: string[] = [];
  const { code, asked, err } = await setKey([], {
    isInteractive: () => true,
    promptSecret: (prompt) => {
      prompts.push(prompt);
      return Promise.resolve("k3y");
    },
  });
  assert.deepEqual([code, err, asked[0]?.args, prompts], [0, "", ["k3y"], [
    "Create a key on the page of API keys of https://dashboard.ngrok.com\nAPI key: ",
  ]]);
});

Deno.test("ngrokctl set-api-key KEY sets the key and warns that other users can see it", async () => {
  const { code, asked, err } = await setKey(["k3y"]);
  assert.deepEqual([code, asked[0]?.args], [0, ["k3y"]]);
  assert.match(err, /other users.*ngrokctl set-api-key\n$/);
  assert.doesNotMatch(err, /k3y/);
  const json = await setKey(["k3y", "--json"]);
  assert.deepEqual([json.err, JSON.parse(json.out)], ["", { schema: 1, message: DONE }]);
});

Deno.test("ngrokctl set-api-key without a key exits with 2 and does not call the daemon", async () => {
  const missing = [
    await setKey([]),
    await setKey([""]),
    await setKey(["-"], { readStdin: () => Promise.resolve("\n") }),
  ];
  for (const { code, err, asked } of missing) {
    assert.deepEqual([code, asked], [2, []]);
    assert.match(err, /^Error: API key required\n\nUsage: ngrokctl set-api-key\n/);
  }
});

// `-` waited for the end of the input, and Ctrl-C printed the usage.
Deno.test("ngrokctl set-api-key prompts on a terminal with - too, and exits with 130 at Ctrl-C", async () => {
  const typed = await setKey(["-"], {
    isInteractive: () => true,
    promptSecret: () => Promise.resolve("k3y"),
  });
  assert.deepEqual([typed.code, typed.asked[0]?.args], [0, ["k3y"]]);
  for (const argv of [[], ["-"]]) {
    const { code, err, asked } = await setKey(argv, {
      isInteractive: () => true,
      promptSecret: () => Promise.resolve(undefined),
    });
    assert.deepEqual([code, err, asked], [130, "Interrupted\n", []]);
  }
});

Deno.test("ngrokctl set-api-key refuses a text that cannot be a key, without repeating it", async () => {
  for (const key of ["two words", "a\nb", "schlüssel", "x\x1b", "k".repeat(4097)]) {
    const { code, err, asked } = await setKey([key]);
    assert.deepEqual([code, asked], [2, []]);
    assert.match(err, /^Error: Cannot use the API key: /);
    assert.ok(!err.includes(key));
  }
});

Deno.test("ngrokctl set-api-key - refuses an endless input", async () => {
  const { code, err } = await setKey(["-"], {
    readStdin: (maxBytes) =>
      Promise.reject(new RangeError(`Cannot read standard input: more than ${maxBytes} bytes`)),
  });
  assert.deepEqual([code, err], [1, "Error: Cannot read standard input: more than 16384 bytes\n"]);
});
