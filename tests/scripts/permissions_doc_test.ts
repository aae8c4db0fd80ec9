import assert from "node:assert/strict";
import config from "../../deno.json" with { type: "json" };
import { CertificateAuthority } from "../../sim/cloud/certificate_authority.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";
import {
  type AddedSet,
  flagsOfSet,
  permissionFlags,
  type ShippedSet,
} from "../../scripts/permission_flags.ts";

const text = await Deno.readTextFile(new URL("../../docs/permissions.md", import.meta.url));

/** The entries of a set in the document, each after its kind. */
function documented(set: string): Set<string> {
  const section = text.split(/^## /m).find((part) => part.startsWith(`The set \`${set}\``)) ?? "";
  const rows = [...section.matchAll(/^\| ([a-z, ]+) \| (`.*?) \| /gm)];
  return new Set(rows.flatMap(([, kinds, entries]) => {
    const values = [...entries!.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);
    return kinds!.replace("env, ignored", "ignored").split(", ").flatMap((kind) =>
      values.map((value) => `${kind} ${value}`)
    );
  }));
}

/** The entries of a set in deno.json, each after its kind. */
function configured(set: ShippedSet | AddedSet): Set<string> {
  const { env, ...kinds }: Record<string, unknown> = config.permissions[set];
  const { allow = [], ignore = [] } = (env ?? {}) as { allow?: string[]; ignore?: string[] };
  const lists = { ...kinds as Record<string, string[]>, env: allow, ignored: ignore };
  return new Set(
    Object.entries(lists).flatMap(([kind, values]) => values.map((value) => `${kind} ${value}`)),
  );
}

for (const set of ["ngrokd", "ngrokd_dns", "ngrokd_dns_macos", "ngrokctl"] as const) {
  Deno.test(`docs/permissions.md lists exactly the entries of the set ${set}`, () => {
    assert.deepEqual([...documented(set)].sort(), [...configured(set)].sort());
  });
}

Deno.test("docs/permissions.md names every permission set", () => {
  for (const set of Object.keys(config.permissions)) assert.ok(text.includes(`\`${set}\``), set);
});

// An entry of the set was missing, without which the daemon did not find its upstreams.
Deno.test("the commands by hand in docs/permissions.md repeat the entries of the sets", () => {
  const commands = [...text.matchAll(/^sh scripts\/start\.sh deno run (-P=ngrokd [^]*?)main\.ts$/gm)];
  assert.deepEqual(
    commands.map(([, flags]) => flags!.split(/[\s\\]+/).filter((flag) => /^-P|^--allow/.test(flag))),
    [[], flagsOfSet("ngrokd_dns")].map((added) =>
      permissionFlags("ngrokd", [...added, "--allow-read=/srv/ngrokd"])
    ),
  );
});

Deno.test("the command for a proxy with a CA of its own in docs/configuration.md works as printed", async () => {
  const configuration = await Deno.readTextFile(new URL("../../docs/configuration.md", import.meta.url));
  const [command] = /^flags=.*\n.*--cert=.*$/m.exec(configuration)!;
  await using directory = await temporaryDirectory();
  const ca = `${directory.path}/ca.pem`;
  await Deno.writeTextFile(ca, (await CertificateAuthority.create()).caPem);
  const { code, stdout, stderr } = await new Deno.Command("/bin/sh", {
    args: ["-c", `${command.replace("/etc/ngrokd/proxy_ca.pem", ca)} --version`],
    cwd: new URL("../../", import.meta.url),
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert.match(out!, /^ngrokd version /, err);
  assert.equal(code, 0);
});
