/** The parts of a response's head that decide where the response ends. */
export interface ResponseHead {
  readonly status: number;
  readonly body: ResponseBody;
  /** True if the server serves no further request on this connection. */
  readonly closes: boolean;
}

/**
 * The body: a number of bytes, chunks, all bytes until the end, or none because the connection is
 * another protocol's now. `ambiguous` if two parsers could read the length differently.
 */
export type ResponseBody = number | "chunked" | "until_end" | "switched" | "ambiguous";

/** A head by the strict rules of RFC 9112: no folded line, no bare CR, no blank before a colon. */
const HEAD =
  /^HTTP\/1\.([01]) ([1-9][0-9]{2})(?: [^\r\n\0]*)?\r\n(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\r\n\0]*\r\n)*\r\n$/;
const FRAMING_FIELD = /\n(content-length|transfer-encoding|connection):([^\r\n]*)/gi;

/**
 * Parses the head of a response to a request of this kind, with its empty line; undefined if it is
 * malformed.
 */
export function parseResponse(text: string, kind: RequestKind): ResponseHead | undefined {
  const [, minor, digits] = HEAD.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const status = Number(digits);
  const fields = framingFields(text);
  const isPersistent = minor === "1" || fields.options.includes("keep-alive");
  return {
    status,
    body: bodyOf({ ...fields, status, kind, isHttp10: minor === "0" }),
    closes: !isPersistent || fields.options.includes("close"),
  };
}

/** The part of a request that decides where its response ends. */
export type RequestKind = "head" | "upgrade" | "connect" | "other";

interface FramingFields {
  readonly lengths: readonly string[];
  readonly codings: readonly string[];
  /** The options of Connection, in lower case. */
  readonly options: readonly string[];
}

function framingFields(text: string): FramingFields {
  const lengths: string[] = [];
  const codings: string[] = [];
  const options: string[] = [];
  FRAMING_FIELD.lastIndex = 0;
  for (let field = FRAMING_FIELD.exec(text); field !== null; field = FRAMING_FIELD.exec(text)) {
    const value = field[2]!.trim().toLowerCase();
    const name = field[1]!.toLowerCase();
    if (name === "content-length") lengths.push(value);
    else if (name === "transfer-encoding") codings.push(value);
    else options.push(...value.split(",").map((option) => option.trim()));
  }
  return { lengths, codings, options };
}

/** Determines the body by RFC 9112 6.3, without its tolerance for ambiguous lengths. */
function bodyOf(
  head: FramingFields & { status: number; kind: RequestKind; isHttp10: boolean },
): ResponseBody {
  const { status, kind, lengths, codings, isHttp10 } = head;
  if (status === 101) return kind === "upgrade" ? "switched" : "ambiguous";
  const isFramed = lengths.length + codings.length > 0;
  if (status < 200) return isFramed ? "ambiguous" : 0;
  if (kind === "connect" && status < 300) return "switched";
  if (kind === "head" || status === 304) return 0;
  // A client that reads a body here would take the next response for it.
  if (status === 204) {
    return codings.length === 0 && lengths.every((length) => length === "0") ? 0 : "ambiguous";
  }
  if (lengths.length + codings.length > 1) return "ambiguous";
  if (codings.length > 0) return codings[0] === "chunked" && !isHttp10 ? "chunked" : "ambiguous";
  if (lengths.length === 0) return "until_end";
  const length = /^[0-9]+$/.test(lengths[0]!) ? Number(lengths[0]) : NaN;
  return Number.isSafeInteger(length) ? length : "ambiguous";
}
