import { type Fault, FAULTS } from "../../../sim/cloud/faults.ts";
import { DEFAULT_SWITCHES, type Switches } from "../../../sim/cloud/switches.ts";

/** The action of the daemon during which the cloud fails. */
export type Moment = "register" | "poll" | "renew" | "connect" | "switch";

/** A fault or a switch of the cloud, and the behaviour that the task expects. */
export interface Case {
  /** The first cell of the table; unique together with the moment. */
  readonly title: string;
  readonly moment: Moment;
  readonly faults?: readonly Fault[];
  readonly switches?: Partial<Switches>;
  readonly expect: Expectation;
}

/** The behaviour without which the task fails. */
export interface Expectation {
  /**
   * `refused`: the action fails, the user reads why, and ngrokd keeps what it has. `harmless`: the
   * fault has no effect. `gone`: ngrokd removes the endpoints, because two polls agree.
   */
  readonly outcome: "refused" | "harmless" | "gone";
  /** The user must read a text that matches. */
  readonly reads?: RegExp;
  /** True if no poll follows within seconds: the key was refused, or Retry-After is long. */
  readonly waits?: true;
  /** True if ngrokd passes on the end of the connection, and has no failure to report. */
  readonly silent?: true;
  /** True if that end is a reset, because the rest is missing. */
  readonly reset?: true;
}

type Line = readonly [title: string, fault: Fault, expect: Expectation];

const REFUSED = { outcome: "refused" } as const;
const HARMLESS = { outcome: "harmless" } as const;
const LARGE = 17 * 1024 * 1024;

/** The faults that any answer of the API can show. */
const ANSWERS: readonly Line[] = [
  ["`error` 400", { kind: "error", status: 400, code: "ERR_NGROK_215", message: "no" }, REFUSED],
  ["`error` 401", { kind: "error", status: 401 }, { ...REFUSED, waits: true, reads: /40[13]/ }],
  ["`error` 403", { kind: "error", status: 403, code: "ERR_NGROK_201" }, {
    ...REFUSED,
    waits: true,
    reads: /40[13]/,
  }],
  ["`error` 429", { kind: "error", status: 429, code: "ERR_NGROK_226" }, REFUSED],
  ["`error` 429, Retry-After 1", { kind: "error", status: 429, retryAfter: "1" }, REFUSED],
  ["`error` 429, Retry-After 3600", { kind: "error", status: 429, retryAfter: "3600" }, {
    ...REFUSED,
    waits: true,
  }],
  ["`error` 429, Retry-After −1", { kind: "error", status: 429, retryAfter: "-1" }, REFUSED],
  ['`error` 429, Retry-After "soon"', { kind: "error", status: 429, retryAfter: "soon" }, REFUSED],
  ["`error` 429, Retry-After in the past", {
    kind: "error",
    status: 429,
    retryAfter: "Thu, 01 Jan 2015 00:00:00 GMT",
  }, REFUSED],
  ["`error` 500", { kind: "error", status: 500 }, REFUSED],
  ["`error` 503", { kind: "error", status: 503 }, REFUSED],
  ["`html` 200", { kind: "html", status: 200 }, REFUSED],
  ["`html` 404", { kind: "html", status: 404 }, REFUSED],
  ["`html` 502", { kind: "html", status: 502 }, REFUSED],
  ["`text_body`", { kind: "text_body", text: "all is well" }, REFUSED],
  ["`text_body`, JSON of another shape", { kind: "text_body", text: '{"endpoints": 7, "id": 7}' }, REFUSED],
  ["`empty_body`", { kind: "empty_body" }, REFUSED],
  ["`slow_body`, a byte each 10 s", { kind: "slow_body", msPerByte: 10_000 }, { ...REFUSED, reads: /15 s/ }],
  ["`delay`, 2 s", { kind: "delay", ms: 2000 }, HARMLESS],
  ["`cut_body`", { kind: "cut_body", bytes: 10 }, REFUSED],
  ["`huge_body`, 1 MiB", { kind: "huge_body", bytes: 1024 * 1024 }, HARMLESS],
  ["`huge_body`, 17 MiB", { kind: "huge_body", bytes: LARGE }, { ...REFUSED, reads: /larger/ }],
  ["`redirect` to another host", { kind: "redirect", location: "https://other.example/" }, {
    ...REFUSED,
    reads: /not followed/,
  }],
  ["`reset`", { kind: "reset" }, REFUSED],
  ["`never_answer`", { kind: "never_answer" }, { ...REFUSED, reads: /15 s/ }],
];

const ROUTES = {
  register: "operators.create",
  poll: "bound_endpoints.list",
  renew: "operators.update",
} as const;

function answerCases(): Case[] {
  return (["register", "poll", "renew"] as const).flatMap((moment) =>
    ANSWERS.map(([title, fault, expect]) => ({
      title,
      moment,
      faults: [{ ...fault, route: ROUTES[moment] }],
      expect,
    }))
  );
}

const LISTS: readonly Line[] = [
  ["`error` 404, while the operator is still listed", { kind: "error", status: 404 }, REFUSED],
  ...(["null", "empty", "absent", "relative", "absolute"] as const).map((value) =>
    [`\`next_page_uri\`: ${value}`, { kind: "next_page_uri", value }, HARMLESS] as const
  ),
  ...(["other_host", "file"] as const).map((value) =>
    [`\`next_page_uri\`: ${value}`, { kind: "next_page_uri", value }, REFUSED] as const
  ),
  ["`next_page_uri`: loop", { kind: "next_page_uri", value: "loop" }, REFUSED],
  ["`next_page_uri`: endless", { kind: "next_page_uri", value: "endless" }, REFUSED],
  ["`next_page_uri`: endless_fresh", { kind: "next_page_uri", value: "endless_fresh" }, REFUSED],
  ["`missing_url`", { kind: "missing_url" }, HARMLESS],
  ["`default_ports_kept`", { kind: "default_ports_kept" }, HARMLESS],
  ["`extra_fields`", { kind: "extra_fields" }, HARMLESS],
  ["`duplicates`", { kind: "duplicates" }, HARMLESS],
  ["`stale_entries`", { kind: "stale_entries" }, HARMLESS],
  ["`empty_list`, every other poll", { kind: "empty_list", times: 1 }, HARMLESS],
  ["`empty_list`, every poll", { kind: "empty_list" }, { outcome: "gone" }],
];

const CERTIFICATES: readonly Line[] = [
  ["`short_certificate`, 1 h", { kind: "short_certificate", lifetimeMs: 3_600_000 }, HARMLESS],
  ["`wrong_key_certificate`", { kind: "wrong_key_certificate" }, REFUSED],
  ["`empty_certificate`", { kind: "empty_certificate" }, REFUSED],
  ["`certificate_chain`", { kind: "certificate_chain" }, HARMLESS],
  ["`ingress_endpoint`: another host", { kind: "ingress_endpoint", value: "other.example:443" }, HARMLESS],
  ["`ingress_endpoint`: left out", { kind: "ingress_endpoint", value: null }, HARMLESS],
];

const INGRESS: readonly Line[] = [
  ["`ingress.stall`", { kind: "ingress.stall" }, REFUSED],
  ["`ingress.reset`, accept", { kind: "ingress.reset", stage: "accept" }, REFUSED],
  ["`ingress.reset`, handshake", { kind: "ingress.reset", stage: "handshake" }, REFUSED],
  ["`ingress.reset`, response", { kind: "ingress.reset", stage: "response" }, {
    ...REFUSED,
    silent: true,
    reset: true,
  }],
  ["`ingress.reset`, stream", { kind: "ingress.reset", stage: "stream", afterBytes: 3 }, {
    ...REFUSED,
    silent: true,
    reset: true,
  }],
  ["`ingress.tls` 1.2", { kind: "ingress.tls", version: "1.2" }, HARMLESS],
  ["`ingress.tls` 1.3", { kind: "ingress.tls", version: "1.3" }, HARMLESS],
  ["`ingress.untrusted_ca`", { kind: "ingress.untrusted_ca" }, { ...REFUSED, reads: /trust/ }],
  ["`ingress.expired_certificate`", { kind: "ingress.expired_certificate" }, {
    ...REFUSED,
    reads: /[Ee]xpired/,
  }],
  ["`ingress.wrong_name`", { kind: "ingress.wrong_name" }, { ...REFUSED, reads: /for|[Nn]ame/ }],
  ["`ingress.revoked`", { kind: "ingress.revoked" }, REFUSED],
  ["`ingress.silent`", { kind: "ingress.silent" }, REFUSED],
  ["`ingress.delay`, 1 s", { kind: "ingress.delay", ms: 1000 }, HARMLESS],
  ["`ingress.eof_before_length`", { kind: "ingress.eof_before_length" }, REFUSED],
  ["`ingress.one_length_byte`", { kind: "ingress.one_length_byte" }, REFUSED],
  ["`ingress.partial_frame`", { kind: "ingress.partial_frame" }, REFUSED],
  ...(["N2", "N3", "N4", "N5", "N6"] as const).map((vector) =>
    [`\`ingress.malformed\` ${vector}`, { kind: "ingress.malformed", vector }, REFUSED] as const
  ),
  ["`ingress.huge_length`", { kind: "ingress.huge_length" }, REFUSED],
  ["`ingress.zero_length`", { kind: "ingress.zero_length" }, HARMLESS],
  ["`ingress.notices`", { kind: "ingress.notices", notices: ["the plan ends soon"] }, HARMLESS],
  ["`ingress.unknown_fields`", { kind: "ingress.unknown_fields" }, HARMLESS],
  ["`ingress.error`", { kind: "ingress.error", code: "ERR_NGROK_3200", message: "not found" }, {
    ...REFUSED,
    reads: /ERR_NGROK_3200/,
  }],
  ["`ingress.error_code_only`", { kind: "ingress.error_code_only", code: "ERR_NGROK_8012" }, {
    ...REFUSED,
    reads: /ERR_NGROK_8012/,
  }],
  ["`ingress.error_message_only`", { kind: "ingress.error_message_only", message: "not today" }, {
    ...REFUSED,
    reads: /not today/,
  }],
  ["`ingress.byte_by_byte`", { kind: "ingress.byte_by_byte" }, HARMLESS],
  ["`ingress.half_close`", { kind: "ingress.half_close" }, { ...REFUSED, silent: true }],
];

/** The first bytes of the stream arrive in one TLS record with the answer to the upgrade. */
const JOINED: Case = {
  title: "`ingress.joined`",
  moment: "connect",
  faults: [
    { kind: "ingress.joined", host: "db.faults", data: "hello, echo\n" },
    {
      kind: "ingress.joined",
      host: "web.faults",
      data: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
    },
  ],
  expect: HARMLESS,
};

/** The switches for what docs/protocol.md leaves open, with each value that is not the default. */
const SWITCHES: readonly Partial<Switches>[] = [
  { frameWaitMs: null },
  { keepEarlyBytes: false },
  { closeAfterError: false },
  { refusal: "eof" },
  { refusal: "reset" },
  { unknownEndpointCode: "ERR_NGROK_3004" },
  { offlineCode: "ERR_NGROK_3200" },
  { offlineHttp: "page" },
  { poolPerRequest: false },
  { checkHost: false },
  { idleTimeoutMs: 300 },
  { revokeOnDelete: false },
  { cutStreamsOnRevoke: true },
  { certificateChain: "chain" },
  { certificateSubject: "empty" },
  { csrKeys: "any" },
  { newCertificateForSameKey: false },
  { bindingWithoutCsr: 400 },
  { bindingWithoutCsr: 405 },
  { selectors: "and" },
  { httpsKubernetes: true },
  { wildcardKubernetes: false },
  { unknownJsonFields: "ignore" },
  { ingressEndpoint: "" },
  { retryAfter: "5" },
  { statusOf: { ERR_NGROK_203: 401 } },
];

function casesOf(moment: Moment, rows: readonly Line[]): Case[] {
  return rows.map(([title, fault, expect]) => {
    const routed = moment === "connect" ? fault : { ...fault, route: ROUTES[moment as keyof typeof ROUTES] };
    return { title, moment, faults: [routed], expect };
  });
}

/** All cases. @throws {RangeError} If a fault or a switch of the simulated cloud has none. */
export function allCases(): readonly Case[] {
  const cases = [
    // The longest cases come first.
    ...casesOf("poll", LISTS),
    ...answerCases(),
    ...casesOf("register", CERTIFICATES),
    ...casesOf("renew", CERTIFICATES),
    ...casesOf("connect", INGRESS),
    JOINED,
    ...SWITCHES.map((switches): Case => {
      const [name, value] = Object.entries(switches)[0]!;
      return { title: `\`${name}\`: ${JSON.stringify(value)}`, moment: "switch", switches, expect: HARMLESS };
    }),
  ];
  const faults = new Set(cases.flatMap(({ faults = [] }) => faults.map(({ kind }) => kind)));
  const switches = new Set(cases.flatMap(({ switches = {} }) => Object.keys(switches)));
  const missing = [
    ...(Object.keys(FAULTS) as Fault["kind"][]).filter((kind) => !faults.has(kind)),
    ...Object.keys(DEFAULT_SWITCHES).filter((name) => !switches.has(name)),
  ];
  if (missing.length > 0) throw new RangeError(`Cannot list the cases: none has ${missing.join(", ")}`);
  return cases;
}
