import { getLogger, resetSync } from "@logtape/logtape";
import assert from "node:assert/strict";
import { configureLog } from "../../src/log/configure.ts";

const log = getLogger(["ngrokd", "test"]);

Deno.test("configureLog() writes lines of its level and above, in its format", () => {
  const lines: string[] = [];
  try {
    configureLog({ level: "warn", format: "json", write: (line) => lines.push(line) });
    log.debug("no");
    log.info("no");
    log.warn("A {n}", { n: 1 });
    log.error("B");
    assert.deepEqual(
      lines.map((line) => JSON.parse(line)).map(({ level, category, message }) => [level, category, message]),
      [
        ["warning", "test", "A 1"],
        ["error", "test", "B"],
      ],
    );
  } finally {
    resetSync();
  }
});

Deno.test("configureLog() replaces an earlier call", () => {
  const first: string[] = [];
  const second: string[] = [];
  try {
    configureLog({ level: "info", format: "text", write: (line) => first.push(line) });
    configureLog({ level: "debug", format: "text", write: (line) => second.push(line) });
    log.debug("Now {place}", { place: "here" });
    assert.deepEqual(first, []);
    assert.equal(second.length, 1);
    assert.match(second[0]!, / DEBUG test: Now here\n$/);
  } finally {
    resetSync();
  }
});

Deno.test("configureLog() drops a line if the write throws", () => {
  try {
    configureLog({
      level: "info",
      format: "text",
      write: () => {
        throw new Error("disk full");
      },
    });
    log.info("Something");
  } finally {
    resetSync();
  }
});

Deno.test("the log is silent before configureLog() is called", () => {
  log.error("Into the void");
});
