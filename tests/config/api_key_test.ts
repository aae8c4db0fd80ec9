import assert from "node:assert/strict";
import { join } from "node:path";
import { isProvidedSecret, resolveApiKey } from "../../src/config/api_key.ts";
import { ConfigError } from "../../src/model/errors.ts";
import { readText } from "../../src/system/files.ts";

function resolve(key: string, variables: Record<string, string>) {
  return resolveApiKey(key, { environment: (name) => variables[name], readText });
}

async function keyFile(text: string): Promise<string> {
  const path = join(await Deno.makeTempDir(), "key");
  await Deno.writeTextFile(path, text);
  return path;
}

Deno.test("resolveApiKey() prefers the configuration, then the variable, then the file", async () => {
  const NGROK_API_KEY_FILE = await keyFile("from-file\n");
  const both = { NGROK_API_KEY: "from-environment", NGROK_API_KEY_FILE };
  assert.deepEqual(await resolve("from-config", both), { key: "from-config", source: "config" });
  assert.deepEqual(await resolve("", both), { key: "from-environment", source: "environment" });
  assert.deepEqual(await resolve("", { NGROK_API_KEY_FILE }), { key: "from-file", source: "file" });
  assert.deepEqual(await resolve("", {}), { key: "", source: null });
});

Deno.test("resolveApiKey() refuses a text that cannot be a key, without showing it", async () => {
  const cases: Record<string, string>[] = [
    { NGROK_API_KEY: "se cret" },
    { NGROK_API_KEY: "secret\n" },
    { NGROK_API_KEY: "secret\u0007" },
    { NGROK_API_KEY_FILE: await keyFile("secret\nsecret\n") },
    { NGROK_API_KEY_FILE: await keyFile(" \n") },
    { NGROK_API_KEY_FILE: await keyFile("s".repeat(5000)) },
  ];
  for (const variables of cases) {
    await assert.rejects(resolve("", variables), (error: unknown) => {
      assert(error instanceof ConfigError);
      assert.equal(error.problems[0]?.path, Object.keys(variables)[0]);
      assert(!/cret|sss/.test(error.message));
      return true;
    });
  }
});

Deno.test("isProvidedSecret() is true below the directories of secrets only, whatever the spelling", () => {
  const paths = [
    "/run/secrets/key",
    "/var/run/secrets/key",
    "/run/credentials/ngrokd.service/key",
    "/run/secrets/../x",
    "/run/secrets",
    "/run/secrets2/key",
    "/etc/ngrokd/key",
  ];
  assert.deepEqual(paths.map(isProvidedSecret), [true, true, true, false, false, false, false]);
});

Deno.test("resolveApiKey() names the key file that it cannot read", async () => {
  const path = join(await Deno.makeTempDir(), "missing");
  await assert.rejects(resolve("", { NGROK_API_KEY_FILE: path }), (error: unknown) => {
    assert(error instanceof ConfigError);
    assert.deepEqual(error.problems, [{
      path: "NGROK_API_KEY_FILE",
      message: `Cannot read ${path}: it does not exist`,
    }]);
    return true;
  });
});

Deno.test("resolveApiKey() passes on an unexpected error of its reader", async () => {
  const fault = new TypeError("broken reader");
  const sources = {
    environment: (name: string) => name === "NGROK_API_KEY_FILE" ? "x" : undefined,
    readText: () => Promise.reject(fault),
  };
  await assert.rejects(resolveApiKey("", sources), fault);
});
