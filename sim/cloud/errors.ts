/** An API error with status, code and message (docs/protocol.md 1.3). */
export class ApiFailure extends Error {
  override name = "ApiFailure";
  readonly status: number;
  /** `ERR_NGROK_<n>`, a few words, or null: the generic not-found has none. */
  readonly code: string | null;
  /** The key of `Switches.statusOf` that may hold another status. */
  readonly statusKey: string;

  /** @param options A null `code` makes an answer without error_code. */
  constructor(message: string, options: { status: number; code: string | null; statusKey?: string }) {
    super(message);
    this.status = options.status;
    this.code = options.code;
    this.statusKey = options.statusKey ?? "";
  }

  /** The same failure with the status of its key, if there is one. */
  withStatusOf(statuses: Readonly<Record<string, number>>): ApiFailure {
    const { code, statusKey } = this;
    return new ApiFailure(this.message, {
      status: statuses[statusKey] ?? this.status,
      code,
      statusKey,
    });
  }
}

/**
 * The statuses of errors that are not always 400: the documented one, or the first guess and the
 * others that docs/protocol.md 1.3 leaves open [G].
 */
export const STATUSES:
  readonly (readonly [codes: readonly string[], statuses: readonly [number, ...number[]]])[] = [
    [["201", "202", "247"], [403]],
    [["200", "203", "204", "205", "206", "208", "220"], [403, 401]],
    [["226"], [429]],
    [["225"], [429, 503]],
    [["19000"], [500]],
    [["210", "216"], [400, 415]],
    [["227"], [400, 404]],
    [["211", "213", "214", "215", "230", "231", "232", "233", "244", "248", "249", "250", "334"], [400, 422]],
    [["19001", "19003"], [400, 422]],
    [["18009"], [400, 409]],
    [["deployment"], [409, 400]],
  ];

/** An error with a number. */
export function numberedFailure(number: number, message: string): ApiFailure {
  const statusKey = String(number);
  const [, [status]] = STATUSES.find(([codes]) => codes.includes(statusKey)) ?? [[], [400]];
  return new ApiFailure(message, { status, code: `ERR_NGROK_${number}`, statusKey });
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
