import assert from "node:assert/strict";
import { generateKey, publicKeyOf } from "../../src/identity/key.ts";
import { p384Key } from "./p384_key.ts";

async function spki(key: CryptoKey): Promise<string> {
  return new Uint8Array(await crypto.subtle.exportKey("spki", key)).toHex();
}

Deno.test("generateKey() makes a P-256 key and writes it as SEC 1, with curve and public key", async () => {
  const { keys, pem } = await generateKey();
  assert.deepEqual(keys.privateKey.algorithm, { name: "ECDSA", namedCurve: "P-256" });
  assert(
    pem.startsWith("-----BEGIN EC PRIVATE KEY-----\n") && pem.endsWith("\n-----END EC PRIVATE KEY-----\n"),
  );
  const der = Uint8Array.fromBase64(pem.replace(/-----[^-]+-----/g, "")).toHex();
  assert(/^30770201010420[0-9a-f]{64}a00a06082a8648ce3d030107a14403420004[0-9a-f]{128}$/.test(der));
  assert.equal((await publicKeyOf(pem)).toHex(), await spki(keys.publicKey));
  assert.notEqual((await generateKey()).pem, pem);
});

Deno.test("publicKeyOf() reads the Go daemon's P-384 keys, in SEC 1 and in PKCS #8", async () => {
  const { sec1, bareSec1, pkcs8 } = await p384Key();
  const expected = (await publicKeyOf(pkcs8)).toHex();
  assert(expected.startsWith("3076301006072a8648ce3d020106052b81040022"), expected);
  assert.equal((await publicKeyOf(sec1)).toHex(), expected);
  assert.equal((await publicKeyOf(bareSec1)).toHex(), expected);
});

Deno.test("publicKeyOf() reads PKCS #8 on P-256, and a key behind a block of parameters", async () => {
  const { keys, pem } = await generateKey();
  const der = new Uint8Array(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  const pkcs8 = `-----BEGIN PRIVATE KEY-----\n${der.toBase64()}\n-----END PRIVATE KEY-----`;
  const parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
  for (const text of [pkcs8, parameters + pem, pem.replaceAll("\n", "\r\n")]) {
    assert.equal((await publicKeyOf(text)).toHex(), await spki(keys.publicKey));
  }
});

Deno.test("publicKeyOf() refuses other keys and garbage, and quotes nothing of them", async () => {
  const { pem } = await generateKey();
  const body = pem.split("\n")[1]!;
  const rsa = await crypto.subtle.generateKey(
    {
      name: "RSASSA-PKCS1-v1_5",
      modulusLength: 2048,
      publicExponent: Uint8Array.of(1, 0, 1),
      hash: "SHA-256",
    },
    true,
    ["sign", "verify"],
  );
  const rsaDer = new Uint8Array(await crypto.subtle.exportKey("pkcs8", rsa.privateKey)).toBase64();
  const texts = [
    "",
    "nonsense",
    pem.replace("-----END", "-----ENDE"),
    pem.replaceAll("EC PRIVATE KEY", "OPENSSH PRIVATE KEY"),
    pem.replaceAll("EC PRIVATE KEY", "PRIVATE KEY"),
    pem.replace(body, body.slice(0, 60)),
    "-----BEGIN EC PRIVATE KEY-----\n-----END EC PRIVATE KEY-----\n",
    `-----BEGIN PRIVATE KEY-----\n${rsaDer}\n-----END PRIVATE KEY-----\n`,
  ];
  for (const text of texts) {
    await assert.rejects(publicKeyOf(text), (error) => {
      assert(error instanceof SyntaxError && !Deno.inspect(error).includes(body.slice(8, 40)));
      return true;
    }, text);
  }
});
