import { z } from "zod";

/** A missing field or one of another type reads as `""`. */
const TEXT = z.string().catch("");
/** A host name of 253 characters with a port; a longer text reads as `""`. */
const HOST_AND_PORT = z.string().max(300).catch("");

/** The form of an operator's id, which is safe as a segment of a path. */
export const OPERATOR_ID: RegExp = /^[A-Za-z0-9_-]{1,128}$/;

/** The body of a failed call (docs/protocol.md 1.3). */
export const ERROR_BODY = z.object({ error_code: TEXT, msg: TEXT });

/** The fields that errors of the API have, and those of a gateway hardly ever. */
export const OWN_ERROR_BODY = z.object({ status_code: z.int(), msg: z.string() });

/**
 * The fields of an operator that are used (docs/protocol.md 1.2.3). Without the feature "bindings"
 * the certificate is `""`, and parts of `binding` are missing or null.
 */
export const OPERATOR = z.object({
  id: z.string().regex(OPERATOR_ID),
  binding: z.object({
    cert: z.object({ cert: TEXT }).catch({ cert: "" }),
    endpoint_selectors: z.array(z.string()).catch([]),
    ingress_endpoint: HOST_AND_PORT,
  }).catch({ cert: { cert: "" }, endpoint_selectors: [], ingress_endpoint: "" }),
});

/** The fields of an endpoint that are used (docs/protocol.md 2.1). */
export const ENDPOINT = z.object({ id: TEXT, url: TEXT, public_url: TEXT }).catch({
  id: "",
  url: "",
  public_url: "",
});

/**
 * One page of bound endpoints (docs/protocol.md 1.2.4). A bad entry does not spoil the others; the
 * envelope is strict, because a list that ends too early would look like endpoints that are gone.
 */
export const ENDPOINT_PAGE = z.object({
  endpoints: z.array(ENDPOINT),
  next_page_uri: z.string().nullish(),
});

/** One page of the account's operators (docs/protocol.md 1.2). */
export const OPERATOR_PAGE = z.object({
  operators: z.array(z.object({ id: z.string().regex(OPERATOR_ID), metadata: TEXT })),
  next_page_uri: z.string().nullish(),
});
