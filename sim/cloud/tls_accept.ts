import { createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import { Wire, WireDuplex } from "./wire.ts";

/** The certificate and the settings of a TLS server. */
export interface TlsProfile {
  /** The leaf and the rest of the chain, PEM. */
  cert: string;
  /** The private key, PEM (PKCS #8). */
  key: string;
  /** The CA of client certificates, PEM. Without it the server asks for none. */
  clientCa?: string;
  minVersion?: "TLSv1.2" | "TLSv1.3";
  maxVersion?: "TLSv1.2" | "TLSv1.3";
}

/** The stream inside TLS, and the certificate of its client. */
export interface TlsAccepted {
  wire: Wire;
  /** SHA-256 of the client's certificate, lower-case hex without colons; null if it sent none. */
  peerFingerprint: string | null;
  /** The serial number of that certificate, lower-case hex, or null. */
  peerSerial: string | null;
}

/** Does the server side of a TLS handshake. @throws {Error} If it fails or the peer closes. */
export async function acceptTls(wire: Wire, profile: TlsProfile): Promise<TlsAccepted> {
  const duplex = new WireDuplex(wire);
  duplex.on("error", () => {});
  const options = {
    isServer: true,
    secureContext: contextOf(profile),
    requestCert: profile.clientCa !== undefined,
    rejectUnauthorized: false,
    allowHalfOpen: true,
  };
  const tls = new TLSSocket(duplex as never, options);
  tls.on("close", () => duplex.destroy());
  await new Promise<void>((resolve, reject) => {
    const leave = () => reject(new Error("Connection closed during the handshake"));
    tls.once("secure", resolve);
    tls.once("error", reject);
    tls.once("close", leave);
    // TLSSocket does not always notice the end of the stream below it.
    duplex.once("end", leave);
    duplex.once("close", leave);
  });
  const peer = profile.clientCa === undefined ? undefined : tls.getPeerCertificate();
  return {
    wire: new Wire(wire, {
      stream: tls,
      flow: { pause: () => duplex.hold(), resume: () => duplex.release() },
    }),
    peerFingerprint: peer?.fingerprint256?.replaceAll(":", "").toLowerCase() ?? null,
    peerSerial: peer?.serialNumber?.toLowerCase() ?? null,
  };
}

/** The parsed keys and certificates; parsing them costs more than the rest of a handshake. */
const contexts = new WeakMap<TlsProfile, SecureContext>();

function contextOf(profile: TlsProfile): SecureContext {
  let context = contexts.get(profile);
  if (context === undefined) {
    const { cert, key, clientCa, minVersion, maxVersion } = profile;
    context = createSecureContext({
      cert,
      key,
      ...(clientCa === undefined ? {} : { ca: clientCa }),
      ...(minVersion === undefined ? {} : { minVersion }),
      ...(maxVersion === undefined ? {} : { maxVersion }),
    });
    contexts.set(profile, context);
  }
  return context;
}
