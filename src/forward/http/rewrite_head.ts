import type { RequestHead } from "./parse_head.ts";

/**
 * Returns the head that `input` begins with, with another Host, without Upgrade, or in normal form;
 * undefined if nothing changes. All other bytes stay as they are. So does the target of a CONNECT,
 * which is for the endpoint's own proxy.
 */
export function rewriteHead(
  input: Uint8Array,
  head: RequestHead,
  options: RewriteOptions,
): Uint8Array | undefined {
  const { hostField, keepUpgrade } = options;
  const edits: Edit[] = hostField === undefined ? [] : hostEdits(head, hostField);
  if (!keepUpgrade) {
    for (const { name, start, end } of head.fields) {
      if (name === "upgrade") edits.push({ start, end, text: "" });
    }
  }
  if (edits.length === 0) return head.normal;
  edits.sort((a, b) => a.start - b.start);
  return applyEdits(head.normal ?? input.subarray(0, head.length), edits);
}

/** Options of {@linkcode rewriteHead}. */
export interface RewriteOptions {
  /**
   * The new Host, and the new authority of an absolute-form target, which would win over Host (RFC
   * 9112 3.2.2). Undefined: both stay.
   */
  readonly hostField: string | undefined;
  readonly keepUpgrade: boolean;
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

function hostEdits(head: RequestHead, hostField: string): Edit[] {
  const { authority, fields, fieldsStart } = head;
  const field = fields.find((field) => field.name === "host");
  const edit = field === undefined
    ? { start: fieldsStart, end: fieldsStart, text: `Host: ${hostField}\r\n` }
    : { start: field.valueStart, end: field.valueStart + field.value.length, text: hostField };
  return authority === undefined ? [edit] : [{ ...authority, text: hostField }, edit];
}

function applyEdits(bytes: Uint8Array, edits: readonly Edit[]): Uint8Array {
  const growth = edits.reduce((sum, { start, end, text }) => sum + text.length - (end - start), 0);
  const result = new Uint8Array(bytes.length + growth);
  let from = 0;
  let to = 0;
  for (const { start, end, text } of edits) {
    result.set(bytes.subarray(from, start), to);
    to += start - from;
    to += new TextEncoder().encodeInto(text, result.subarray(to)).written;
    from = end;
  }
  result.set(bytes.subarray(from), to);
  return result;
}
