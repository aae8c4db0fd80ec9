import { CertificateAuthority } from "./certificate_authority.ts";
import type { Faults } from "./faults.ts";
import type { TlsProfile } from "./tls_accept.ts";

/** The names in the ingress's certificate. */
export const INGRESS_NAMES = [
  "kubernetes-binding-ingress.ngrok.io",
  "connect.ngrok-endpoints.com",
  "localhost",
  "127.0.0.1",
];

type Name = "good" | "untrusted" | "expired" | "wrong_name";

/** The certificates that the ingress can present; bad ones are made at their first use. */
export class IngressTls {
  readonly #authority: CertificateAuthority;
  readonly #profiles = new Map<Name, Promise<TlsProfile>>();

  /** @param authority The issuer of the good certificate and of client certificates. */
  constructor(authority: CertificateAuthority) {
    this.#authority = authority;
  }

  /** The certificate for the next connection, as the faults choose it. */
  async choose(faults: Faults): Promise<TlsProfile> {
    const name: Name = faults.take("ingress.untrusted_ca")
      ? "untrusted"
      : faults.take("ingress.expired_certificate")
      ? "expired"
      : faults.take("ingress.wrong_name")
      ? "wrong_name"
      : "good";
    const profile = await this.#profile(name);
    const version = faults.take("ingress.tls")?.version;
    if (version === undefined) return profile;
    return { ...profile, minVersion: `TLSv${version}`, maxVersion: `TLSv${version}` };
  }

  #profile(name: Name): Promise<TlsProfile> {
    let profile = this.#profiles.get(name);
    if (profile === undefined) {
      profile = this.#make(name);
      this.#profiles.set(name, profile);
    }
    return profile;
  }

  async #make(name: Name): Promise<TlsProfile> {
    const authority = name === "untrusted"
      ? await CertificateAuthority.create("Untrusted CA")
      : this.#authority;
    const names = name === "wrong_name" ? ["wrong.example.com"] : INGRESS_NAMES;
    const hourAgo = new Date(Date.now() - 3_600_000);
    const pair = await authority.issueServer(names, name === "expired" ? { notAfter: hourAgo } : {});
    return { ...pair, clientCa: this.#authority.caPem };
  }
}
