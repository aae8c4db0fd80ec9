import assert from "node:assert/strict";
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { readFields } from "../../src/x509/certificate_fields.ts";
import { nameText } from "../../src/x509/name_text.ts";
import { parseCertificate } from "../../src/x509/parse_certificate.ts";

const ECDSA = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** A certificate with these parts, signed by its own key. */
async function certificate(name: string, extensions: x509.Extension[] = []): Promise<x509.X509Certificate> {
  const keys = await crypto.subtle.generateKey(ECDSA, true, ["sign", "verify"]);
  return await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: "00c0ffee",
    name,
    notBefore: new Date("2026-01-01"),
    notAfter: new Date("2027-01-01"),
    signingAlgorithm: ECDSA,
    keys,
    extensions,
  });
}

function der(certificate: x509.X509Certificate): Uint8Array<ArrayBuffer> {
  return new Uint8Array(certificate.rawData);
}

Deno.test("nameText() writes names as the library that every version has used", async () => {
  const names = [
    "CN=a",
    "C=US, ST=CA, L=x, O=Example\\, Inc., OU=a\\+b=c, CN=\\#1",
    "DC=example, DC=org, E=a@b.example, SN=1, T=Dr., G=A, I=B",
    'O=Übung, CN=\\"q\\" \\\\ \\; \\<x\\>',
    "2.5.4.97=VAT-1, CN=a+OU=b",
  ];
  for (const name of names) {
    const made = await certificate(name);
    const { subject, issuer } = readFields(der(made));
    assert.deepEqual([nameText(subject), nameText(issuer)], [made.subject, made.issuer], name);
  }
});

Deno.test("parseCertificate() reads what the library reads", async () => {
  const cases: x509.Extension[][] = [
    [],
    [new x509.BasicConstraintsExtension(true, 1, true)],
    [
      new x509.BasicConstraintsExtension(true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature),
    ],
    [new x509.BasicConstraintsExtension(true), new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign)],
    [new x509.BasicConstraintsExtension(false), new x509.ExtendedKeyUsageExtension(["1.3.6.1.5.5.7.3.2"])],
    [new x509.ExtendedKeyUsageExtension(["1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.1"])],
    [new x509.ExtendedKeyUsageExtension(["2.5.29.37.0"])],
    [
      new x509.SubjectAlternativeNameExtension([
        { type: "dns", value: "*.a.example" },
        { type: "email", value: "x@y.example" },
        { type: "ip", value: "10.1.2.3" },
        { type: "dns", value: "b.example, DNS:evil.example" },
        ...[
          "2001:db8::1",
          "::",
          "::1",
          "2001:db8:0:1::",
          "2001:0:0:1:0:0:0:1",
          "1:2:3:4:5:6:7:8",
          "1:0:3:4:5:6:7:8",
        ]
          .map((value) => ({ type: "ip", value }) as const),
      ]),
    ],
  ];
  for (const extensions of cases) {
    const made = await certificate("CN=a", extensions);
    const constraints = made.getExtension(x509.BasicConstraintsExtension);
    const usages = made.getExtension(x509.KeyUsagesExtension)?.usages ?? x509.KeyUsageFlags.keyCertSign;
    const purposes = made.getExtension(x509.ExtendedKeyUsageExtension)?.usages.map(String);
    const names = made.getExtension(x509.SubjectAlternativeNameExtension)?.names.items ?? [];
    const parsed = parseCertificate(der(made));
    const { serial, publicKey } = readFields(der(made));
    assert.deepEqual(
      {
        serial,
        publicKey: publicKey.toHex(),
        ...parsed,
        pem: "",
        der: "",
        isSignedBy: parsed.isSignedBy(parsed),
      },
      {
        serial: made.serialNumber,
        publicKey: new Uint8Array(made.publicKey.rawData).toHex(),
        pem: "",
        der: "",
        sha256: new Uint8Array(await made.getThumbprint("SHA-256")).toHex().toUpperCase().replace(
          /..(?=.)/g,
          "$&:",
        ),
        subject: made.subject,
        issuer: made.issuer,
        subjectDer: new Uint8Array(made.subjectName.toArrayBuffer()).toHex(),
        issuerDer: new Uint8Array(made.issuerName.toArrayBuffer()).toHex(),
        notBefore: made.notBefore.getTime(),
        notAfter: made.notAfter.getTime(),
        isCa: constraints?.ca === true && (usages & x509.KeyUsageFlags.keyCertSign) !== 0,
        hasCaFlag: constraints?.ca === true,
        names: names.filter(({ type }) => type === "dns" || type === "ip").map(({ value }) => value),
        isForServers: purposes === undefined ||
          purposes.some((each) => ["1.3.6.1.5.5.7.3.1", "2.5.29.37.0"].includes(each)),
        isSignedBy: true,
      },
    );
  }
});

Deno.test("a certificate with changed bytes is read or refused with a SyntaxError", async () => {
  const extensions = [
    new x509.SubjectAlternativeNameExtension([{ type: "dns", value: "a.example" }]),
    new x509.ExtendedKeyUsageExtension(["1.3.6.1.5.5.7.3.1"]),
  ];
  const good = der(await certificate("C=US, O=Example, CN=a", extensions));
  const ca = parseCertificate(good);
  let read = 0;
  for (let at = 0; at < good.length; at++) {
    for (const value of [0x00, 0x7f, 0x80, 0x84, 0xff]) {
      const changed = good.slice();
      changed[at] = value;
      for (const bytes of [changed, good.subarray(0, at)]) {
        try {
          parseCertificate(bytes).isSignedBy(ca);
          read++;
        } catch (error) {
          assert.ok(error instanceof SyntaxError, `${at}: ${error}`);
        }
      }
    }
  }
  assert.ok(read > 0);
});
