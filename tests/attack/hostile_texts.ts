import assert from "node:assert/strict";
import { cpuTimeMs } from "../fakes/cpu_time.ts";

/**
 * A quadratic pattern takes seconds for 48 KiB. A reader that takes less than this needs no
 * comparison.
 */
const SHORT_MS = 200;
/** For 4 times the text a linear reader takes 4 to 9 times as long (memory), a quadratic one 16. */
const MAX_RATIO = 11;

/** Texts that begin as something that is read, repeat a part of it, and do not end as it does. */
const BEGINNINGS = [
  ...["", "http://", "http://localhost/", "GET /", "HTTP/1.1 200 ", "Link 5 (a): b"],
  ...["api:\n  key: |\n    a", "[", '{"a":"', "a:"],
];
const PARTS = [
  `\n${" ".repeat(200)}`,
  ...[" ", "\n", "\n ", "\n\t", "\r", "\r\n ", ":", ":1", "1", "a", "a.", "-", "_", "*.", "[", "{", "(", '"'],
  ...[
    "\\",
    "\\u",
    ",",
    "a: ",
    "#",
    " #",
    "=",
    "%",
    "\u00e9",
    "\ufeff",
    "&a ",
    "- ",
    "/",
    "@",
    "HTTP/1.1 100\r\n\r\n",
  ],
  ...[
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN A-----\n",
    "-----BEGIN A",
    "Bearer ",
    "Bearer",
    "_aaaaaaaaaaaaaaa",
  ],
  ...["# BEGIN ngrokd managed section\n", "# END ngrokd managed section", "nameserver ", "\nnameserver\t"],
  ...[
    "# ngrokd managed - do not edit this line\n",
    "\n  Current Scopes: ",
    "Host: a\r\n",
    "\nCurrent Scopes",
  ],
];
const ENDINGS = ["", "\nx", "\u2028!"];

/** A function that returns a hostile text of about this size. */
export type TextOfSize = (size: number) => string;

/** Every combination of a beginning, a repeated part and an ending. */
export function* hostileTexts(): Generator<TextOfSize> {
  for (const part of PARTS) {
    for (const beginning of BEGINNINGS) {
      for (const ending of ENDINGS) {
        yield (size) => beginning + part.repeat(size / part.length) + ending;
      }
    }
  }
}

/** A reader of foreign text; it may reject the text. */
export type Reader = (text: string) => unknown;

/**
 * Fails if a reader takes a text so long that its time grows faster than the text. A bounded reader
 * is quick for any text; the others are compared at a quarter of the size. Only this thread's time
 * counts, because the machine may be busy.
 */
export async function assertLinear(
  read: Reader,
  text: TextOfSize,
  { size }: { readonly size: number },
): Promise<void> {
  if (await time(read, text(size)) < SHORT_MS) return;
  const whole = await bestTime(read, text(size));
  if (whole < SHORT_MS) return;
  const quarter = await bestTime(read, text(size / 4));
  assert.ok(
    whole / quarter < MAX_RATIO,
    `${JSON.stringify(text(80))}: ${whole} ms for ${size} characters, ${quarter} ms for a quarter`,
  );
}

async function bestTime(read: Reader, text: string): Promise<number> {
  let best = Infinity;
  for (let run = 0; run < 5; run++) best = Math.min(best, await time(read, text));
  return best;
}

async function time(read: Reader, text: string): Promise<number> {
  const start = cpuTimeMs();
  try {
    await read(text);
  } catch {
    // Most texts are refused.
  }
  return cpuTimeMs() - start;
}
