import { type ByteStream, writeAll } from "../../system/byte_stream.ts";
import { MAX_ANSWER_BYTES, messageLength, resultCode, START_TLS } from "./ldap_message.ts";
import { ACCEPT, DECLINE, SSL_REQUEST } from "./postgres_message.ts";
import type { PreludeProtocol } from "./prelude.ts";

/** A server's answer to a request for TLS. `other` shows that it does not speak the protocol. */
export type TlsAnswer = "accepted" | "declined" | "other";

/** The client's side of a protocol that asks for TLS in clear text. */
export interface TlsRequester {
  readonly name: string;
  /** The next step for the operator of a server that declines. */
  readonly hint: string;
  /** Asks for TLS and reads the answer, without a byte of what follows it. */
  request(stream: ByteStream): Promise<TlsAnswer>;
}

/** The protocols that ngrokd can ask a server for TLS in. */
export const REQUESTERS: Readonly<Record<PreludeProtocol, TlsRequester>> = {
  postgres: {
    name: "PostgreSQL",
    hint: "Set ssl = on in postgresql.conf of the server",
    async request(stream) {
      await writeAll(stream, SSL_REQUEST);
      const answer = await readByte(stream);
      return answer === ACCEPT ? "accepted" : answer === DECLINE ? "declined" : "other";
    },
  },
  ldap: {
    name: "the LDAP server",
    hint: "Configure a certificate in the server (olcTLSCertificateFile in OpenLDAP)",
    async request(stream) {
      await writeAll(stream, START_TLS);
      const message = await readMessage(stream);
      if (message === undefined) return "other";
      const code = resultCode(message);
      return code === undefined ? "other" : code === 0 ? "accepted" : "declined";
    },
  },
};

/** Reads one byte; undefined at the end. More would belong to the client. */
async function readByte(stream: ByteStream): Promise<number | undefined> {
  const buffer = new Uint8Array(1);
  return await stream.read(buffer) === null ? undefined : buffer[0];
}

/** Reads one LDAP message and no byte of what follows; undefined if there is none. */
async function readMessage(stream: ByteStream): Promise<Uint8Array | undefined> {
  const buffer = new Uint8Array(MAX_ANSWER_BYTES);
  let have = 0;
  for (;;) {
    const length = messageLength(buffer.subarray(0, have));
    if (length === undefined) return undefined;
    if (have === length) return buffer.subarray(0, have);
    // The header shows the length, and has no known length itself.
    const count = await stream.read(buffer.subarray(have, length === "more" ? have + 1 : length));
    if (count === null) return undefined;
    have += count;
  }
}
