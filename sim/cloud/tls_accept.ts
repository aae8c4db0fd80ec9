import { createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import { Wire, WireDuplex } from "./wire.ts";

/** What a TLS server shows, and whether it asks for a client certificate. */
export interface TlsProfile {
  /** PEM: the leaf, and whatever is to be sent with it. */
  cert: string;
  /** PEM, PKCS #8. */
  key: string;
  /** PEM of the CA that client certificates are asked for by; absent: none is asked for. */
  clientCa?: string;
  minVersion?: "TLSv1.2" | "TLSv1.3";
  maxVersion?: "TLSv1.2" | "TLSv1.3";
}

/** The stream inside TLS and who is at its other end. */
export interface TlsAccepted {
  wire: Wire;
  /** SHA-256 of the client's certificate, lower-case hex without colons; null if it showed none. */
  peerFingerprint: string | null;
  /** Its serial number, lower-case hex; null likewise. */
  peerSerial: string | null;
}

/** Does the server side of a TLS handshake. @throws {Error} if the handshake fails or the peer leaves. */
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
    // TLSSocket does not always notice that the stream under it ended or broke.
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

/** Parsing keys and certificates costs more than the rest of an accept: once for each profile is enough. */
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
