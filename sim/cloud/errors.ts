import type { Switches } from "./switches.ts";

/** An API error: status, code and message of PROTOCOL.md 1.3. */
export class ApiFailure extends Error {
  override name = "ApiFailure";
  readonly status: number;
  /** `ERR_NGROK_<n>`, a few words, or null: the generic not-found has none. */
  readonly code: string | null;
  /** The entry of `Switches.statusOf` that may give another status. */
  readonly statusKey: string;

  /** @param options `code` null: an answer without error_code. */
  constructor(message: string, options: { status: number; code: string | null; statusKey?: string }) {
    super(message);
    this.status = options.status;
    this.code = options.code;
    this.statusKey = options.statusKey ?? "";
  }

  /** The same failure with the status that the switches give it. */
  restated(switches: Switches): ApiFailure {
    const { code, statusKey } = this;
    return new ApiFailure(this.message, {
      status: switches.statusOf[statusKey] ?? this.status,
      code,
      statusKey,
    });
  }
}

/** The statuses of numbered errors that are not 400: documented, or the first guess (PROTOCOL.md 1.3). */
const STATUS: Record<number, number> = {
  200: 403,
  201: 403,
  202: 403,
  203: 403,
  204: 403,
  205: 403,
  206: 403,
  208: 403,
  220: 403,
  225: 429,
  226: 429,
  247: 403,
  19000: 500,
};

/** A numbered error. */
export function numberedFailure(number: number, message: string): ApiFailure {
  return new ApiFailure(message, {
    status: STATUS[number] ?? 400,
    code: `ERR_NGROK_${number}`,
    statusKey: String(number),
  });
}

/** The generic not-found, which has no error_code. */
export function notFound(): ApiFailure {
  return new ApiFailure("Resource not found", { status: 404, code: null });
}

/** The JSON body of an error. */
export function errorBody(failure: ApiFailure, operationId: string): Record<string, unknown> {
  return {
    ...(failure.code === null ? {} : { error_code: failure.code }),
    status_code: failure.status,
    msg: failure.message,
    details: { operation_id: operationId },
  };
}
