import { z } from "zod";

const TEXT = z.string().catch("");
/** A host name of 253 characters, and a port; one that is longer is none. */
const PLACE = z.string().max(300).catch("");

/** The form of an operator's id: what is safe as a segment of a path. */
export const OPERATOR_ID: RegExp = /^[A-Za-z0-9_-]{1,128}$/;

/** The body of a failed call (PROTOCOL.md 1.3); whatever is missing or of another type reads as `""`. */
export const ERROR_BODY = z.object({ error_code: TEXT, msg: TEXT });

/** What the API's own errors have, and those of a gateway on the way hardly. */
export const OWN_ERROR_BODY = z.object({ status_code: z.int(), msg: z.string() });

/** What is used of an operator (PROTOCOL.md 1.2.3). Without the feature the certificate is `""`, and parts of `binding` are missing or null. */
export const OPERATOR = z.object({
  id: z.string().regex(OPERATOR_ID),
  binding: z.object({
    cert: z.object({ cert: TEXT }).catch({ cert: "" }),
    endpoint_selectors: z.array(z.string()).catch([]),
    ingress_endpoint: PLACE,
  }).catch({ cert: { cert: "" }, endpoint_selectors: [], ingress_endpoint: "" }),
});

/** What is used of one endpoint (PROTOCOL.md 2.1): a field that is missing or of another type reads as `""`, and so does all of a non-object. */
export const ENDPOINT = z.object({ id: TEXT, url: TEXT, public_url: TEXT }).catch({
  id: "",
  url: "",
  public_url: "",
});

/**
 * One page of bound endpoints (PROTOCOL.md 1.2.4). A bad entry spoils nothing; the envelope is strict, because a list that ends too early
 * would look like endpoints that are gone.
 */
export const ENDPOINT_PAGE = z.object({
  endpoints: z.array(ENDPOINT),
  next_page_uri: z.string().nullish(),
});

/** One page of the account's operators (PROTOCOL.md 1.2): what is needed to know one again. */
export const OPERATOR_PAGE = z.object({
  operators: z.array(z.object({ id: z.string().regex(OPERATOR_ID), metadata: TEXT })),
  next_page_uri: z.string().nullish(),
});
