import assert from "node:assert/strict";
import { CommandError } from "../../src/model/errors.ts";
import type { Redirect } from "../../src/model/redirect.ts";
import { NftTable, renderTable, type RunWithInput } from "../../src/network/nft_program.ts";
import { Redirects } from "../../src/network/redirects.ts";
import { captureLog } from "../fakes/captured_log.ts";

const PG: Redirect = { address: "10.107.0.4", from: 5432, to: 9080 };
const WEB: Redirect = { address: "10.107.0.5", from: 80, to: 9080 };
const LISTING = `table ip ngrokd {
	map moved {
		type ipv4_addr . inet_service : ipv4_addr . inet_service
		elements = { 10.107.0.4 . 5432 : 10.107.0.4 . 9080,
			     10.107.0.5 . 80 : 10.107.0.5 . 9080 }
	}

	chain output {
		type nat hook output priority -199; policy accept;
		dnat ip to ip daddr . tcp dport map @moved
	}
}
`;

/** A kernel with at most one table, and what was done to it. */
class FakeNft {
  table: string | undefined;
  /** nft exits with this code. */
  fails: number | undefined;
  /** nft fails at these steps only. */
  failsAt: readonly string[] = ["frame", "list", "replace", "delete"];
  unavailable: string | undefined;
  /** Held ports whose test connection ends elsewhere. */
  readonly astray = new Set<number>();
  readonly done: string[] = [];
  readonly redirects: Redirects;

  constructor({ isLeft = false } = {}) {
    this.redirects = new Redirects({
      isLeft,
      run: (argv, options) => this.#run(argv, options),
      unavailable: () => this.unavailable,
      record: () => Promise.resolve(void this.done.push("record")),
      forget: () => Promise.resolve(void this.done.push("forget")),
      endsHere: ({ from }) => {
        this.done.push(`check ${from}`);
        return Promise.resolve(!this.astray.has(from));
      },
    });
  }

  /** Ensures these redirects, and returns what was done and the reasons. */
  async ensure(...redirects: Redirect[]): Promise<[string[], Record<string, string>]> {
    this.done.length = 0;
    const reasons = await this.redirects.ensure(redirects);
    return [[...this.done], Object.fromEntries(reasons)];
  }

  #run: RunWithInput = (argv, { input }) => {
    const read = argv.includes("--terse") ? "frame" : "list";
    const step = input === undefined ? read : input.includes("map moved") ? "replace" : "delete";
    this.done.push(step);
    const isMissing = input === undefined && this.table === undefined;
    const isFailing = this.fails !== undefined && this.failsAt.includes(step);
    // A killed nft may have changed the table before.
    if (isFailing && this.fails === 137 && input !== undefined) this.table = contentOf(input);
    if (isFailing || isMissing) {
      const exitCode = this.fails ?? 1;
      return Promise.reject(new CommandError("nft failed", { argv, exitCode, stderr: "" }));
    }
    if (input !== undefined) this.table = contentOf(input);
    return Promise.resolve({ stdout: this.table ?? "" });
  };
}

/** Returns the table that this input makes; undefined if it deletes the table. */
function contentOf(input: string): string | undefined {
  return input.split("delete table ip ngrokd\n")[1] || undefined;
}

Deno.test("NftTable reads what nft 1.0.6 prints, and what renderTable() writes", () => {
  for (const text of [LISTING, renderTable([PG, WEB])]) {
    const table = new NftTable(text);
    const others = [[PG], [PG, { ...WEB, to: 9081 }], [PG, { ...WEB, address: "10.107.0.50" }]];
    assert.deepEqual([table.holds([WEB, PG]), ...others.map((other) => table.holds(other))], [
      true,
      false,
      false,
      false,
    ]);
    assert.doesNotMatch(table.frame, /9080/);
  }
});

Deno.test("Redirects makes one table, written down before, and checks each redirect", async () => {
  const nft = new FakeNft();
  assert.deepEqual(await nft.ensure(), [[], {}]);
  assert.deepEqual(await nft.ensure(PG), [["record", "replace", "frame", "check 5432"], {}]);
  assert.deepEqual(await nft.ensure(PG), [["list", "check 5432"], {}]);
  assert.deepEqual(await nft.ensure(PG, WEB), [["record", "replace", "frame", "check 5432", "check 80"], {}]);
  assert.deepEqual(await nft.ensure(), [["delete", "forget"], {}]);
  assert.deepEqual(await nft.ensure(), [[], {}]);
});

const CHANGES: Record<string, (table: string) => string | undefined> = {
  "is gone": () => undefined,
  "has lost an element": (table) => table.replace(/10\.107\.0\.4 \. 5432 : [^,]*,/, ""),
  "has another element": (table) => table.replace(": 10.107.0.4 . 9080", ": 10.107.0.4 . 1"),
  "has another rule": (table) => table.replace("    dnat", "    accept\n    dnat"),
};

for (const [what, change] of Object.entries(CHANGES)) {
  Deno.test(`Redirects restores a table that ${what}, and checks all redirects again`, async () => {
    await using logged = await captureLog();
    const nft = new FakeNft();
    await nft.ensure(PG, WEB);
    nft.table = change(nft.table!);
    const steps = ["list", "record", "replace", "frame", "check 5432", "check 80"];
    assert.deepEqual(await nft.ensure(PG, WEB), [steps, {}]);
    assert.match(logged.lines("warning").join(), /Another program removed or changed the redirects/);
  });
}

Deno.test("Redirects gives the reason of a redirect that leads elsewhere, and tries it again", async () => {
  const nft = new FakeNft();
  nft.astray.add(5432);
  const [, reasons] = await nft.ensure(PG, WEB);
  assert.deepEqual(reasons, { "10.107.0.4:5432": "a test connection did not end at ngrokd" });
  nft.astray.clear();
  assert.deepEqual(await nft.ensure(PG, WEB), [["list", "check 80", "check 5432"], {}]);
});

// A chain that another program made later came first, and list still said OK.
Deno.test("Redirects notices that a redirect which has passed leads elsewhere", async () => {
  const nft = new FakeNft();
  await nft.ensure(PG, WEB);
  nft.astray.add(5432);
  assert.deepEqual((await nft.ensure(PG, WEB))[1], {
    "10.107.0.4:5432": "a test connection did not end at ngrokd",
  });
});

Deno.test("Redirects checks all of 1,000 redirects again in 16 polls, at most 64 in one", async () => {
  const nft = new FakeNft();
  const redirects = Array.from({ length: 1000 }, (_, index) => ({ ...PG, from: 10_000 + index }));
  await nft.ensure(...redirects);
  const again = new Set<string>();
  for (let poll = 0; poll < 17; poll++) {
    const [done] = await nft.ensure(...redirects);
    assert.ok(done.length <= 65);
    for (const step of done) if (step.startsWith("check")) again.add(step);
  }
  assert.equal(again.size, 1000);
});

Deno.test("Redirects that lead elsewhere cost a few checks, however many they are", async () => {
  const nft = new FakeNft();
  const redirects = Array.from({ length: 1000 }, (_, index) => ({ ...PG, from: 10_000 + index }));
  for (const { from } of redirects) nft.astray.add(from);
  const [done, reasons] = await nft.ensure(...redirects);
  assert.equal(Object.keys(reasons).length, 1000);
  assert.ok(done.filter((step) => step.startsWith("check")).length < 100);
});

Deno.test("Redirects checks all of 500 new redirects, and 500 of 10,000", async () => {
  const redirects = Array.from({ length: 10_000 }, (_, index) => ({ ...PG, from: 10_000 + index }));
  for (const [count, expected] of [[500, 500], [10_000, 500]] as const) {
    const [done, reasons] = await new FakeNft().ensure(...redirects.slice(0, count));
    assert.deepEqual([done.filter((step) => step.startsWith("check")).length, reasons], [expected, {}]);
  }
});

for (const [exitCode, remembers] of [[-1, false], [1, false], [137, true]] as const) {
  Deno.test(`Redirects gives a reason for each if nft ends with ${exitCode}, and logs it once`, async () => {
    await using logged = await captureLog();
    const nft = new FakeNft();
    nft.fails = exitCode;
    const steps = ["record", "replace", ...(remembers ? [] : ["forget"])];
    const reasons = { "10.107.0.4:5432": "nft failed" };
    assert.deepEqual(await nft.ensure(PG), [steps, reasons]);
    await nft.ensure(PG);
    assert.deepEqual(logged.lines("warning"), ["Cannot redirect held ports: nft failed"]);
    nft.fails = undefined;
    assert.deepEqual((await nft.ensure(PG))[1], {});
  });
}

// The table stayed: the held port led to a port that any local user could bind.
for (const step of ["frame", "replace"]) {
  Deno.test(`Redirects removes a table that was made although nft was killed at ${step}`, async () => {
    const nft = new FakeNft();
    nft.fails = 137;
    nft.failsAt = [step];
    assert.deepEqual((await nft.ensure(PG))[1], { "10.107.0.4:5432": "nft failed" });
    assert.notEqual(nft.table, undefined);
    nft.fails = undefined;
    assert.deepEqual(await nft.ensure(), [["delete", "forget"], {}]);
    assert.equal(nft.table, undefined);
  });
}

Deno.test("Redirects names those that it could not remove, until they are removed", async () => {
  const nft = new FakeNft();
  await nft.ensure(PG, WEB);
  nft.fails = 1;
  const left = { "10.107.0.4:5432": "nft failed", "10.107.0.5:80": "nft failed" };
  assert.deepEqual((await nft.ensure(WEB))[1], left);
  assert.deepEqual((await nft.ensure())[1], left);
  nft.fails = undefined;
  assert.deepEqual(await nft.ensure(), [["delete", "forget"], {}]);
});

Deno.test("Redirects removes those of an earlier run that were left, and throws until it has", async () => {
  const nft = new FakeNft({ isLeft: true });
  nft.fails = 1;
  await assert.rejects(nft.ensure(), /nft failed/);
  await assert.rejects(nft.ensure(PG), /nft failed/);
  assert.ok(!nft.done.includes("forget"));
  // Without the program there is no table.
  nft.fails = -1;
  assert.deepEqual((await nft.ensure())[1], {});
  nft.fails = undefined;
  assert.deepEqual(await nft.ensure(), [["delete", "forget"], {}]);
});

// It was not checked when it came back.
Deno.test("Redirects checks one that was gone meanwhile like a new one", async () => {
  const nft = new FakeNft();
  await nft.ensure(PG, WEB);
  await nft.ensure(WEB);
  nft.astray.add(5432);
  const steps = ["record", "replace", "frame", "check 80", "check 5432"];
  assert.deepEqual(await nft.ensure(WEB, PG), [steps, {
    "10.107.0.4:5432": "a test connection did not end at ngrokd",
  }]);
});

Deno.test("Redirects runs nothing where it is not available, or after its end", async () => {
  const nft = new FakeNft();
  const unavailable = "ngrokd did not create the subnet";
  nft.unavailable = unavailable;
  assert.deepEqual(await nft.ensure(PG), [[], { "10.107.0.4:5432": unavailable }]);
  nft.unavailable = undefined;
  assert.deepEqual((await nft.ensure(PG))[1], {});
  nft.unavailable = unavailable;
  assert.deepEqual(await nft.ensure(PG), [["delete", "forget"], { "10.107.0.4:5432": unavailable }]);
  nft.unavailable = undefined;
  await nft.redirects.close();
  assert.deepEqual(await nft.ensure(PG), [[], { "10.107.0.4:5432": "ngrokd is stopping" }]);
});
