import { latin1Text } from "../../lib/latin1.ts";
import { START_TLS_OID } from "./ldap_message.ts";
import { sniffPostgres } from "./postgres_message.ts";

/** The step that helps with every protocol. */
const OWN_PORT =
  "give the endpoint a port of its own: a tcp endpoint, or listen_interface virtual for its name in net.overrides";
const ONLY_OWN_PORT = OWN_PORT.replace("give", "Give");

/** A protocol whose first bytes name no server, and the next step for its user. */
export interface NamelessProtocol {
  /** Its name in the log. */
  readonly name: string;
  readonly hint: string;
}

/**
 * A client that sent nothing. These protocols negotiate TLS, if at all, after the server's first
 * bytes, which only the backend can send.
 */
export const SILENT: NamelessProtocol = {
  name: "a protocol in which the server speaks first, such as MySQL, MariaDB, SMTP, IMAP, POP3 or FTP",
  hint: ONLY_OWN_PORT,
};

/** PostgreSQL without encryption. */
export const PLAIN_POSTGRES: NamelessProtocol = {
  name: "PostgreSQL without TLS",
  hint: `Connect with sslmode=require, or ${OWN_PORT}`,
};

/** A ClientHello without a server name. */
export const NAMELESS_TLS: NamelessProtocol = {
  name: "TLS without a server name (SNI)",
  hint:
    `Connect by the name of the endpoint (redis-cli --tls --sni NAME, psql with libpq 14 or later), or ${OWN_PORT}`,
};

interface Signature extends NamelessProtocol {
  readonly matches: (bytes: Uint8Array) => boolean;
}

const PLAIN_HTTP: Signature = {
  name: "HTTP without TLS",
  hint: "Use https://",
  matches: (bytes) => /^[A-Z]{3,10} [\x21-\x7e]+ HTTP\/[12]/.test(latin1Text(bytes)),
};

/** In the order in which they are tried. */
const SIGNATURES: readonly Signature[] = [
  {
    name: "a PostgreSQL cancel request",
    hint: `Use libpq 17 or later, which sends it by TLS, or ${OWN_PORT}`,
    matches: (bytes) => sniffPostgres(bytes) === "cancel",
  },
  { ...PLAIN_POSTGRES, matches: (bytes) => sniffPostgres(bytes) === "startup" },
  {
    name: "LDAP with StartTLS that ngrokd cannot answer",
    hint: `Use ldaps://, which begins with TLS, or ${OWN_PORT}`,
    matches: (bytes) => isLdap(bytes) && latin1Text(bytes).includes(latin1Text(START_TLS_OID)),
  },
  { name: "LDAP without TLS", hint: `Use StartTLS or ldaps://, or ${OWN_PORT}`, matches: isLdap },
  { name: "RDP", hint: ONLY_OWN_PORT, matches: isRdp },
  {
    name: "SQL Server (TDS)",
    hint: `Use Encrypt=Strict (TDS 8), which begins with TLS, or ${OWN_PORT}`,
    matches: (bytes) => bytes[0] === 0x12 && bytes[1] === 1,
  },
  {
    name: "XMPP",
    hint: `Use direct TLS (XEP-0368), or ${OWN_PORT}`,
    matches: (bytes) => /^\s*<(\?xml|stream:stream)/.test(latin1Text(bytes)),
  },
  { name: "SSH", hint: ONLY_OWN_PORT, matches: (bytes) => latin1Text(bytes).startsWith("SSH-") },
  {
    name: "Redis without TLS",
    hint: `Use rediss:// or redis-cli --tls --sni NAME, or ${OWN_PORT}`,
    matches: (bytes) => /^\*[0-9]{1,9}\r\n\$/.test(latin1Text(bytes)),
  },
  {
    name: "AMQP without TLS",
    hint: `Use amqps://, or ${OWN_PORT}`,
    matches: (bytes) => latin1Text(bytes).startsWith("AMQP"),
  },
  {
    name: "MQTT without TLS",
    hint: `Use mqtts://, or ${OWN_PORT}`,
    matches: (bytes) => bytes[0] === 0x10 && /^MQ(TT|Isdp)/.test(latin1Text(bytes.subarray(4))),
  },
  PLAIN_HTTP,
];

/** Longer messages differ from each other earlier. */
const MAX_BYTES = 512;

/**
 * Names the protocol of a client that does not begin with TLS, by its first bytes; undefined if
 * they do not show it, or if it is HTTP and the listener serves that.
 */
export function protocolOf(
  bytes: Uint8Array,
  { servesHttp = false }: ProtocolOptions = {},
): NamelessProtocol | undefined {
  const first = bytes.subarray(0, MAX_BYTES);
  const found = SIGNATURES.find(({ matches }) => matches(first));
  return servesHttp && found === PLAIN_HTTP ? undefined : found;
}

/** Options of {@linkcode protocolOf}. */
export interface ProtocolOptions {
  /** True if the listener has http endpoints too. @default {false} */
  readonly servesHttp?: boolean;
}

/** An LDAPMessage: a SEQUENCE that begins with the message id, an INTEGER (RFC 4511 4.1.1). */
function isLdap(bytes: Uint8Array): boolean {
  if (bytes[0] !== 0x30 || bytes.length < 5) return false;
  const length = bytes[1]!;
  const at = length < 0x80 ? 2 : 2 + (length & 0x7f);
  const idLength = bytes[at + 1] ?? 0;
  const operation = bytes[at + 2 + idLength];
  // BindRequest, SearchRequest or ExtendedRequest.
  return bytes[at] === 2 && idLength >= 1 && idLength <= 4 && [0x60, 0x63, 0x77].includes(operation ?? 0);
}

/** A TPKT header (RFC 1006) and an X.224 connection request, which RDP begins with. */
function isRdp(bytes: Uint8Array): boolean {
  return bytes[0] === 3 && bytes[1] === 0 && bytes[5] === 0xe0;
}
