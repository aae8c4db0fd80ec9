import assert from "node:assert/strict";
import { parseArguments } from "../../src/daemon/arguments.ts";
import { VERSION } from "../../src/lib/version.ts";

Deno.test("parseArguments() runs with the default configuration, with or without the word run", () => {
  const wanted = { action: "run", configPath: "/etc/ngrokd/config.yml", verbose: false };
  assert.deepEqual(parseArguments([]), wanted);
  assert.deepEqual(parseArguments(["run"]), wanted);
});

Deno.test("parseArguments() accepts --config in both forms, and -v", () => {
  const wanted = { action: "run", configPath: "/x.yml", verbose: true };
  assert.deepEqual(parseArguments(["run", "--config", "/x.yml", "-v"]), wanted);
  assert.deepEqual(parseArguments(["-v", "--config=/x.yml"]), wanted);
});

Deno.test("parseArguments() accepts the flags of the Go daemon, with one dash and with two", () => {
  const run = { action: "run", configPath: "/x.yml", verbose: false } as const;
  const wanted: [string, ReturnType<typeof parseArguments>][] = [
    ["-config=/x.yml", run],
    ["-config /x.yml", run],
    ["run -config /x.yml", run],
    ["--config=/x.yml -v=false", run],
    ["-config=/x.yml -v", { ...run, verbose: true }],
    ["-config=/x.yml --v", { ...run, verbose: true }],
    ["-v=true -config /x.yml", { ...run, verbose: true }],
    ["cleanup -config /x.yml", { ...run, action: "cleanup" }],
    ["-config -version", { ...run, configPath: "-version" }],
    ["-config=a=b", { ...run, configPath: "a=b" }],
  ];
  for (const [line, result] of wanted) assert.deepEqual(parseArguments(line.split(" ")), result, line);
  const version = { action: "print", text: `ngrokd version ${VERSION}\n` };
  for (const word of ["-version", "-version=true"]) assert.deepEqual(parseArguments([word]), version);
  for (const word of ["-help", "-h", "--help"]) {
    assert.deepEqual(parseArguments([word]), parseArguments(["--help"]));
  }
  for (const word of ["-confg=/x.yml", "-configs", "-config"]) {
    assert.equal(parseArguments([word]).action, "usage", word);
  }
});

Deno.test("parseArguments() prints the version as the Go daemon did", () => {
  assert.deepEqual(parseArguments(["--version"]), { action: "print", text: `ngrokd version ${VERSION}\n` });
});

Deno.test("parseArguments() shows examples in its help", () => {
  const help = parseArguments(["--help"]);
  assert.equal(help.action, "print");
  assert.match(
    help.action === "print" ? help.text : "",
    /Examples:\n {2}ngrokd --config=.*\n {2}ngrokd deregister --config=/,
  );
});

Deno.test("parseArguments() names the unknown or incomplete word in a usage error", () => {
  for (const argv of [["frobnicate"], ["--confg=/x"], ["run", "extra"], ["--config"]]) {
    const result = parseArguments(argv);
    assert.equal(result.action, "usage", argv.join(" "));
    assert.match(result.action === "usage" ? result.message : "", /frobnicate|--confg|too many|--config/);
  }
});

Deno.test("parseArguments() suggests the command that was meant", () => {
  const result = parseArguments(["clenup"]);
  assert.equal(
    result.action === "usage" && result.message,
    "error: unknown command 'clenup'\nDid you mean: ngrokd cleanup\n",
  );
});
