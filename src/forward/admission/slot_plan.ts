const MIB = 2 ** 20;

/**
 * The daemon itself with its code, the routes of 10,000 endpoints, and {@linkcode UNFORWARDED}
 * connections of 22 KiB.
 */
const BASE_BYTES = 128 * MIB;
/**
 * The process's memory for one connection from end to end. Measured: 130 KiB if it is idle, 200 KiB
 * if both peers have stopped to read and write.
 */
const SLOT_BYTES = 256 * 1024;
const MAX_SLOTS = 2048;
const MIN_SLOTS = 64;
/** Connections that are accepted and not forwarded: without a route, waiting, or being refused. */
const UNFORWARDED = 2048;

/**
 * Derives the limits of connections from the memory limit of this process in bytes, so that the
 * worst mix of stalled connections fits into it. Half of the memory is for the process, the other
 * half for the kernel's buffers of connections, which a cgroup counts too.
 */
export function planSlots(memoryBytes: number): SlotPlan {
  const half = Math.max(0, memoryBytes - BASE_BYTES) / 2;
  const slots = Math.min(MAX_SLOTS, Math.max(MIN_SLOTS, Math.floor(half / SLOT_BYTES)));
  return {
    slots,
    accepted: slots + UNFORWARDED,
    unsentBytes: Math.max(half, MIN_SLOTS * SLOT_BYTES),
    isTooSmall: memoryBytes < MIN_MEMORY_BYTES,
  };
}

/** The least memory that the smallest number of slots fits into. */
export const MIN_MEMORY_BYTES: number = BASE_BYTES + 2 * MIN_SLOTS * SLOT_BYTES;

/** The limits of connections. */
export interface SlotPlan {
  /** Connections to the ingress. */
  readonly slots: number;
  /** Accepted connections, forwarded or not. */
  readonly accepted: number;
  /** Bytes that peers have not taken yet, of all connections together. */
  readonly unsentBytes: number;
  /** True if even the smallest number of slots does not fit. */
  readonly isTooSmall: boolean;
}
