import assert from "node:assert/strict";
import fc from "fast-check";
import { hasOwnLines, renderBlock, replaceBlock } from "../../../src/names/hosts/hosts_block.ts";
import { HostsFile, type HostsRecord } from "../../../src/names/hosts/hosts_file.ts";
import { ownLine } from "../../../src/names/hosts/own_lines.ts";
import * as files from "../../../src/system/files.ts";
import { type FileOnDisk, fileOnDisk } from "../file_on_disk.ts";
import { isOwn, readBlock } from "./hosts_texts.ts";
import { OTHER_TOOLS } from "./other_tools.ts";

const USER = "127.0.0.1\tlocalhost\n::1 localhost ip6-localhost\n# added by hand\n10.0.0.1\tnas nas.lan\n" +
  "127.0.0.1 shared.example.com\n";

/** The names of virtual addresses and of shared listeners; others have a line like the last one. */
const NAMES = new Map([
  ["a.example.com", "10.107.0.2"],
  ["b.example.com", "10.107.9.3"],
  ["c.example.com", "127.0.0.1"],
  ["d.example.com", "127.0.0.1"],
  ["shared.example.com", "127.0.0.1"],
]);

async function edit(path: string, script: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("/bin/sh", { args: ["-ec", script, "sh", path] })
    .output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

/** The lines that are not blank, without what a tool has done to all of them alike. */
function linesOf(text: string): string[] {
  return text.split("\n").map((line) => line.trim()).filter((line) => line !== "").sort();
}

/** Returns true for a line with all words of another: a tool may have merged them. */
function hasWords(line: string, other: string): boolean {
  const words = line.split(/\s+/);
  return other.split(/\s+/).every((word) => words.includes(word));
}

/** A hosts file with ngrokd's section, which a tool has then changed. */
async function changed(script: string): Promise<Changed> {
  const file = await fileOnDisk("hosts", USER);
  let record: HostsRecord | undefined;
  const running = new HostsFile(file.path, {
    files,
    isOwn,
    record: (change) => Promise.resolve((record = change) !== undefined),
  });
  await running.publish(NAMES);
  await edit(file.path, script);
  // The tool does the same to a file without ngrokd.
  await using others = await fileOnDisk("hosts", USER);
  await edit(others.path, script);
  const written = script.includes("tv.lan") ? ["10.0.0.7 tv.lan", "# by hand"] : [];
  return {
    file,
    running,
    afterKill: () => new HostsFile(file.path, { files, isOwn, ...record }),
    withStale: () => {
      const written = record!.written.filter((line) => !/\t[bd]/.test(line));
      return new HostsFile(file.path, { files, isOwn, ...record, written });
    },
    withNone: () => new HostsFile(file.path, { files, isOwn }),
    others: [...linesOf(await others.read()), ...written].sort(),
  };
}

interface Changed {
  readonly file: FileOnDisk;
  readonly running: HostsFile;
  /** The publisher of the next start or of a clean-up after kill -9. */
  readonly afterKill: () => HostsFile;
  /** The same with a record that does not have all lines of the last write, and without one. */
  readonly withStale: () => HostsFile;
  readonly withNone: () => HostsFile;
  /** The lines of others, sorted. */
  readonly others: readonly string[];
}

for (const [what, script] of Object.entries(OTHER_TOOLS)) {
  // A person had to repair the file, and our lines outside the markers stayed for ever.
  Deno.test(`HostsFile keeps its lines apart from those of others: tools ${what} (R101)`, async () => {
    for (const isKilled of [false, true]) {
      for (const isPublished of [false, true]) {
        const { file, running, afterKill, others } = await changed(script);
        await using _file = file;
        const hosts = isKilled ? afterKill() : running;
        if (isPublished) {
          assert.deepEqual((await hosts.publish(NAMES)).problem, undefined);
          const text = await file.read();
          assert.deepEqual(readBlock(text), NAMES);
          assert.equal(text.split("ngrokd managed").length, 3, text);
        }
        assert.equal((await hosts.withdraw()).problem, undefined);
        assert.deepEqual(
          linesOf(await file.read()),
          others,
          `killed: ${isKilled}, published: ${isPublished}`,
        );
      }
    }
  });
}

/** The tools that leave both markers around our lines, with every byte of them. */
const HARMLESS: readonly string[] = [
  "remove our lines and leave the markers",
  "remove one of our lines",
  "remove the section",
  "duplicate the section",
  "change line ends to CRLF",
  "double the line space",
  "write into our section",
  "add a byte order mark",
];

for (const [name, record] of [["stale", "withStale"], ["lost", "withNone"]] as const) {
  // Lines that the record did not have stayed for ever; without one, lines of others went.
  Deno.test(`HostsFile tells its lines from those of others: record ${name} (R101)`, async () => {
    for (const [what, script] of Object.entries(OTHER_TOOLS)) {
      const made = await changed(script);
      await using file = made.file;
      assert.equal((await made[record]().withdraw()).problem, undefined);
      const left = linesOf(await file.read());
      assert.deepEqual(made.others.filter((line) => !left.some((each) => hasWords(each, line))), [], what);
      if (HARMLESS.includes(what)) assert.deepEqual(left, made.others, what);
    }
  });
}

for (const what of ["remove the start marker", "remove the end marker", "remove all comments"]) {
  Deno.test(`HostsFile restores every byte after tools ${what} (R101)`, async () => {
    const { file, afterKill } = await changed(OTHER_TOOLS[what]!);
    await using _file = file;
    await afterKill().withdraw();
    const kept = what === "remove all comments" ? USER.replace("# added by hand\n", "") : USER;
    assert.equal(await file.read(), kept);
  });
}

Deno.test("HostsFile takes no line that others write like one of ours, then or later (R101)", async () => {
  await using file = await fileOnDisk("hosts", USER);
  const hosts = new HostsFile(file.path, { files, isOwn });
  await hosts.publish(NAMES);
  const mine = "127.0.0.1\tc.example.com\n";
  await file.write(await file.read() + mine);
  await hosts.publish(NAMES);
  await edit(file.path, OTHER_TOOLS["remove the section"]!);
  await hosts.publish(NAMES);
  await hosts.publish(new Map([...NAMES].slice(0, 2)));
  await hosts.withdraw();
  assert.equal((await file.read()).replaceAll("\n\n", "\n"), USER + mine);
});

// A tool that moves the end marker to the end makes the whole file a section.
Deno.test("HostsFile keeps lines of others with a name of ours, between the markers too (R101)", async () => {
  const mine = "10.9.9.9\ta.example.com\n";
  await using file = await fileOnDisk("hosts", USER);
  const hosts = new HostsFile(file.path, { files, isOwn });
  await hosts.publish(NAMES);
  await file.write(await file.read() + mine);
  await hosts.publish(NAMES);
  await edit(file.path, OTHER_TOOLS["move the end marker to the end"]!);
  await hosts.publish(NAMES);
  await hosts.withdraw();
  assert.deepEqual(linesOf(await file.read()), linesOf(USER + mine));
});

Deno.test("replaceBlock() finds all lines of ngrokd in any order and number, and no other (R101)", () => {
  const others = USER.split("\n").slice(0, -2);
  const block = renderBlock(NAMES).split("\n").slice(0, -1);
  const own = {
    written: new Set([...NAMES].map(([name, address]) => ownLine(address, name))),
    shared: new Set<string>(),
    isOwn,
  };
  const lines = fc.array(fc.constantFrom(...block.filter((line) => !line.startsWith("127."))), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(lines, fc.array(fc.nat(20), { maxLength: 40 }), (ours, places) => {
      const mixed = [...others];
      for (const [index, line] of ours.entries()) {
        mixed.splice((places[index] ?? index) % (mixed.length + 1), 0, line);
      }
      const text = `${mixed.join("\n")}\n`;
      assert.equal(replaceBlock(text, new Map(), { own }).text.trimEnd(), others.join("\n"));
      const next = replaceBlock(text, NAMES, { own }).text;
      assert.deepEqual(readBlock(next), NAMES);
      assert.equal(replaceBlock(next, NAMES, { own }).text, next);
    }),
    { seed: 7, numRuns: 3000 },
  );
});

// hasOwnLines() did not see it, so that the journal's entry was dropped and the names stayed.
Deno.test("hasOwnLines() sees names of ours in lines that a tool has merged (R101)", () => {
  const own = { written: new Set([ownLine("127.0.0.1", "c.example.com")]), shared: new Set<string>(), isOwn };
  assert.equal(hasOwnLines(`${USER}127.0.0.1 localhost c.example.com\n`, own), true);
  assert.equal(hasOwnLines(USER, own), false);
});

Deno.test("HostsFile keeps lines of others in its section, whatever their form, once it wrote", async () => {
  const mine = "127.0.0.1\tdev.example.org\n";
  await using file = await fileOnDisk("hosts", USER);
  const hosts = new HostsFile(file.path, { files, isOwn, written: [] });
  await hosts.publish(NAMES);
  await file.write((await file.read()).replace("# END", `${mine}# END`));
  await hosts.publish(NAMES);
  await hosts.withdraw();
  assert.deepEqual(linesOf(await file.read()), linesOf(USER + mine));
});
