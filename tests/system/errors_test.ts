import assert from "node:assert/strict";
import {
  codeOf,
  isConnectionGone,
  isNotCapable,
  isOutOfDescriptors,
  toBindError,
  toFileError,
} from "../../src/system/errors.ts";
import { runModule } from "../fakes/run_module.ts";

Deno.test("toFileError() finds the reason from the class, the code or the number of an error", () => {
  const coded = (code: string) => Object.assign(new Error("x"), { code });
  const cases = [
    [new Deno.errors.NotFound(), "missing"],
    [new Deno.errors.PermissionDenied(), "denied"],
    [new Deno.errors.NotCapable("run again with the --allow-read flag"), "not_capable"],
    [new Deno.errors.IsADirectory(), "not_regular"],
    [coded("ENOSPC"), "full"],
    [coded("EDQUOT"), "full"],
    [coded("EROFS"), "read_only"],
    [coded("EIO"), "other"],
    ["text", "other"],
    [new Error("No space left on device (os error 28)"), "full"],
    [new Error("Read-only file system (os error 30)"), "read_only"],
    [new Error("os error 280"), "other"],
  ] as const;
  for (const [error, reason] of cases) {
    const fileError = toFileError(error, { action: "write", path: "/p" });
    assert.deepEqual([fileError.reason, fileError.path, fileError.cause], [reason, "/p", error]);
    assert.match(fileError.message, /^Cannot write \/p: /);
  }
});

Deno.test("toBindError() finds the reason from the class or the code of an error", () => {
  const cases = [
    [new Deno.errors.AddrInUse(), "in_use", "address is in use"],
    [new Deno.errors.AddrNotAvailable(), "not_available", "this machine does not have the address"],
    [new Deno.errors.PermissionDenied(), "denied", "permission denied (ports below 1024 need root)"],
    [new Deno.errors.NotCapable(), "denied", "the permission set does not allow it"],
    [Object.assign(new Error("x"), { code: "EMFILE" }), "exhausted", "no file descriptor is left"],
    [new Error("odd"), "other", "odd"],
  ] as const;
  for (const [error, reason, state] of cases) {
    const bindError = toBindError(error, "10.107.0.4:80");
    const { address, message, cause } = bindError;
    const expected = [reason, "10.107.0.4:80", `Cannot bind 10.107.0.4:80: ${state}`, error];
    assert.deepEqual([bindError.reason, address, message, cause], expected);
  }
});

Deno.test("toBindError() does not mention ports for the path of a socket", () => {
  assert.equal(
    toBindError(new Deno.errors.PermissionDenied(), "/run/ngrokd/ngrokd.sock").message,
    "Cannot bind /run/ngrokd/ngrokd.sock: permission denied",
  );
});

Deno.test("isOutOfDescriptors() is true for the limit of the process and of the system", () => {
  const coded = (code: unknown) => Object.assign(new Error(), { code });
  for (const text of ["Too many open files (os error 24)", "(os error 23)"]) {
    assert.equal(isOutOfDescriptors(new Error(text)), true);
  }
  for (const code of ["EMFILE", "ENFILE"]) assert.equal(isOutOfDescriptors(coded(code)), true);
  for (const error of [new Error("os error 240"), new Error("x"), undefined, coded(24)]) {
    assert.equal(isOutOfDescriptors(error), false);
  }
});

Deno.test("isOutOfDescriptors() is true for the error of Deno without descriptors", async () => {
  const code = `import { isOutOfDescriptors } from "../../src/system/errors.ts";
    const files = [];
    try { for (;;) files.push(Deno.openSync("/dev/null")); } catch (error) { files.forEach((file) => file.close()); console.log(isOutOfDescriptors(error)); }`;
  const { stdout, stderr } = await runModule(code, { shell: 'ulimit -n 128; exec "$@"' });
  assert.equal(stdout.trim(), "true", stderr);
});

Deno.test("isConnectionGone() is true for the usual ends of a connection", () => {
  const { ConnectionReset, BrokenPipe, ConnectionAborted, NotConnected, NotFound } = Deno.errors;
  const { Interrupted, BadResource, UnexpectedEof } = Deno.errors;
  const gone = [ConnectionReset, BrokenPipe, ConnectionAborted, NotConnected];
  for (const Gone of [...gone, Interrupted, BadResource, UnexpectedEof]) {
    assert.equal(isConnectionGone(new Gone()), true);
  }
  for (const error of [new NotFound(), new Error("reset"), undefined]) {
    assert.equal(isConnectionGone(error), false);
  }
});

Deno.test("isNotCapable() and codeOf() use only the class and the code", () => {
  assert.equal(isNotCapable(new Deno.errors.NotCapable()), true);
  assert.equal(isNotCapable(new Deno.errors.PermissionDenied()), false);
  assert.equal(codeOf(Object.assign(new Error(), { code: "EIO" })), "EIO");
  for (const error of [new Error(), Object.assign(new Error(), { code: 5 }), { code: "EIO" }, null]) {
    assert.equal(codeOf(error), undefined);
  }
});
