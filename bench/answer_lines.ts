import { readLines } from "../sim/read_lines.ts";

/** Answers each JSON line of standard input with one on standard output, until the input ends. */
export async function answerLines(answer: (question: unknown) => Promise<unknown>): Promise<void> {
  const encoder = new TextEncoder();
  for await (const line of readLines(Deno.stdin.readable)) {
    let reply: unknown;
    try {
      reply = { data: await answer(JSON.parse(line)) };
    } catch (error) {
      reply = { error: error instanceof Error ? error.message : String(error) };
    }
    await Deno.stdout.write(encoder.encode(`${JSON.stringify(reply)}\n`));
  }
}
