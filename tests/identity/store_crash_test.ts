import assert from "node:assert/strict";
import { FileError } from "../../src/model/errors.ts";
import { TestCa } from "../fakes/test_ca.ts";
import { identityDirectory, killedAt, textsOf } from "./identity_files.ts";

const ca = await TestCa.create();

/** An old pair and the one that replaces it. */
async function twoPairs() {
  const [old, renewed] = await Promise.all([ca.pair(), ca.pair()]);
  return { old, renewed };
}

for (const when of ["before", "after"] as const) {
  Deno.test(`IdentityStore killed ${when} any step of savePair() leaves a pair that fits`, async () => {
    const { old, renewed } = await twoPairs();
    const outcomes: string[] = [];
    let ended = false;
    for (let k = 0; !ended; k++) {
      await using place = await identityDirectory();
      const { store, read } = place;
      await store().savePair(old);
      await store(killedAt(k, when)).savePair(renewed).then(() => ended = true, () => {});
      const stored = await store().load();
      const texts = textsOf(stored);
      assert(texts !== undefined && stored.problems.length === 0, `step ${k}`);
      const isOld = texts.cert === old.cert;
      assert.deepEqual(texts, isOld ? old : renewed, `step ${k}`);
      assert.deepEqual([await read("tls.crt"), await read("tls.key")], [texts.cert, texts.key], `step ${k}`);
      assert.equal(await read("tls.pending"), undefined);
      outcomes.push(isOld ? "old" : "new");
    }
    // Three directories, tls.pending, key, certificate, the removal of tls.pending. With
    // tls.pending the pair changes.
    const switched = when === "before" ? 4 : 3;
    assert.deepEqual(outcomes, [...Array(switched).fill("old"), ...Array(8 - switched).fill("new")]);
  });
}

Deno.test("IdentityStore killed at any step of the first savePair() leaves the pair or nothing", async () => {
  const pair = await ca.pair();
  for (let k = 0; k < 7; k++) {
    await using place = await identityDirectory();
    const { store } = place;
    await assert.rejects(store(killedAt(k, "before")).savePair(pair), /killed/);
    const stored = await store().load();
    assert.deepEqual([textsOf(stored), stored.problems], [k < 4 ? undefined : pair, []]);
  }
});

Deno.test("IdentityStore killed while it finishes an interrupted renewal finishes it at the next load", async () => {
  const { old, renewed } = await twoPairs();
  for (let k = 0; k < 3; k++) {
    await using place = await identityDirectory();
    const { store, read } = place;
    await store().savePair(old);
    await assert.rejects(store(killedAt(3, "after")).savePair(renewed), /killed/);
    await assert.rejects(store(killedAt(k, "before")).load(), /killed/);
    assert.deepEqual(textsOf(await store().load()), renewed);
    assert.equal(await read("tls.key"), renewed.key);
  }
});

Deno.test("IdentityStore uses an interrupted renewal even if the disk is full", async () => {
  await using place = await identityDirectory();
  const { store } = place;
  const { old, renewed } = await twoPairs();
  await store().savePair(old);
  await assert.rejects(store(killedAt(4, "after")).savePair(renewed), /killed/);
  const stored = await store({
    writeFileAtomic: (path) =>
      Promise.reject(new FileError(`Cannot write ${path}: the disk is full`, { path, reason: "full" })),
  }).load();
  assert.deepEqual(textsOf(stored), renewed);
  assert.deepEqual(stored.problems.map(({ reason }) => reason), ["full"]);
  assert.deepEqual(textsOf(await store().load()), renewed);
});

Deno.test("IdentityStore removes and reports a tls.pending without a pair, and uses the other files", async () => {
  await using place = await identityDirectory();
  const { store, path, read, write } = place;
  const { old, renewed } = await twoPairs();
  await store().savePair(old);
  for (const text of ["", "garbage", old.key, renewed.key + old.cert]) {
    await write("tls.pending", text, { mode: 0o600 });
    const stored = await store().load();
    assert.deepEqual([textsOf(stored), stored.problems.length], [old, 1]);
    assert.equal(stored.problems[0]!.path, path("tls.pending"));
    assert.equal(await read("tls.pending"), undefined);
  }
});

/** Lengths to truncate a PEM text to: all at the ends of its lines, and else each 17th byte. */
function truncations(text: string): number[] {
  return Array.from(text, (_, at) => at)
    .filter((at) => at % 17 === 0 || !/^[^-\n]{3}$/.test(text.slice(at - 1, at + 2)));
}

Deno.test("IdentityStore sets a truncated file aside unless it is whole, and loads the others (F15)", async () => {
  await using place = await identityDirectory();
  const { store, path, read, write } = place;
  const { old, renewed } = await twoPairs();
  await store().saveOperatorId("k8sop_1");
  await store().savePair(old);
  for (const [name, text] of [["tls.key", old.key], ["tls.crt", old.cert]] as const) {
    for (const length of truncations(text)) {
      const part = text.slice(0, length);
      await write("tls.key", old.key, { mode: 0o600 });
      await write("tls.crt", old.cert);
      await write(name, part);
      await Deno.remove(path(`${name}.bad`)).catch(() => {});
      const stored = await store().load();
      assert.equal(stored.operatorId, "k8sop_1");
      // Without its last line feed a PEM file is whole.
      if (part === text.trimEnd()) assert.ok(stored.pair !== undefined && stored.problems.length === 0);
      else {
        assert.deepEqual([stored.pair, stored.problems.length], [undefined, 1], `${name} ${length}`);
        assert.deepEqual([await read(name), await read(`${name}.bad`)], [undefined, part]);
      }
    }
  }
  await store().savePair(old);
  const pending = renewed.key + renewed.cert;
  for (const length of truncations(pending.trimEnd())) {
    await write("tls.pending", pending.slice(0, length), { mode: 0o600 });
    const stored = await store().load();
    assert.deepEqual([textsOf(stored), stored.problems.length], [old, 1], `tls.pending ${length}`);
    assert.equal(await read("tls.pending"), undefined);
  }
  for (let length = 0; length < "k8sop_1".length; length++) {
    await write("operator_id", "k8sop_1".slice(0, length));
    assert.equal((await store().load()).operatorId, "k8sop_1".slice(0, length) || undefined);
  }
});
