import { sniffStartTls, type StartTlsRequest, startTlsSuccess } from "./ldap_message.ts";
import { ACCEPT, DECLINE, type PostgresMessage, sniffPostgres, SSL_REQUEST } from "./postgres_message.ts";

/** The protocols whose clients ask for TLS in clear text, and get the answer from ngrokd. */
export type PreludeProtocol = "postgres" | "ldap";

/** The first message of a client of such a protocol. */
export type Prelude =
  | { readonly protocol: "postgres"; readonly message: PostgresMessage }
  | { readonly protocol: "ldap"; readonly request: StartTlsRequest };

/** Recognises the first message of a client; undefined for anything else, such as TLS and HTTP. */
export function sniffPrelude(bytes: Uint8Array): Prelude | undefined | "more" {
  const message = sniffPostgres(bytes);
  if (message === "more") return message;
  if (message !== undefined) return { protocol: "postgres", message };
  const request = sniffStartTls(bytes);
  return request === undefined || request === "more" ? request : { protocol: "ldap", request };
}

/** The answer of a server with TLS to a client. */
export interface PreludeAnswer {
  readonly reply: Uint8Array;
  /** The length of the request. */
  readonly length: number;
  /** True if a ClientHello follows, false if another request does. */
  readonly isLast: boolean;
}

/** Returns the answer to a request for encryption; undefined if the message is none. */
export function answerTo(prelude: Prelude): PreludeAnswer | undefined {
  if (prelude.protocol === "ldap") {
    const { request } = prelude;
    return { reply: startTlsSuccess(request), length: request.length, isLast: true };
  }
  const { message } = prelude;
  if (message !== "ssl" && message !== "gss") return undefined;
  const isLast = message === "ssl";
  // GSSAPI would name no server.
  return { reply: Uint8Array.of(isLast ? ACCEPT : DECLINE), length: SSL_REQUEST.length, isLast };
}
