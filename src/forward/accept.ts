import { getLogger } from "@logtape/logtape";
import { messageOf } from "../model/errors.ts";
import { closeQuietly } from "../system/byte_stream.ts";
import { keepGoing } from "../system/keep_going.ts";
import type { AcceptedStream, TcpListener } from "../system/tcp.ts";
import type { ConnectionSlots, Slot } from "./admission/connection_slots.ts";

const log = getLogger(["ngrokd", "forward"]);

/**
 * Accepts connections until the signal aborts. After an error of the listener (no descriptors left)
 * it waits, 5 ms at first and 1 s at most; a connection that is gone before it is accepted is
 * skipped at once. `for await` over a listener would end at the first error (docs/runtime.md).
 *
 * While all slots are taken nothing is accepted, and clients wait in the kernel's queue. The slot
 * is taken after the accept, so that idle listeners hold none. At most one accepted connection of
 * each listener waits for a slot.
 */
export async function acceptLoop(listener: TcpListener, options: AcceptOptions): Promise<void> {
  const { slots, admit, onConnection, signal } = options;
  const address = listener.key;
  let failing = false;

  async function accept(succeeded: () => void): Promise<never> {
    for (;;) {
      (await slots.take(signal))[Symbol.dispose]();
      const stream = await listener.accept();
      const isAdmitted = checkAdmission(stream, admit);
      succeeded();
      if (failing) log.info("Accepting connections on {address} again", { address });
      failing = false;
      if (isAdmitted) {
        onConnection(stream, await slotFor(stream, options));
      } else {
        closeQuietly(stream);
        log.debug("Rejected a connection from {peer} on {address}", { peer: stream.peer, address });
      }
    }
  }

  await keepGoing(accept, {
    signal,
    onFailure(error) {
      failing = true;
      log.warn("Cannot accept connections on {address}: {error}", { address, error: messageOf(error) });
    },
  });
}

/** Options of {@linkcode acceptLoop}. */
export interface AcceptOptions {
  readonly slots: ConnectionSlots;
  /**
   * Returns true if the peer may connect to this local address. Others are closed without a byte.
   */
  readonly admit: (peer: string, local?: string) => boolean;
  /** Takes over the connection and its slot; must not throw. */
  readonly onConnection: (stream: AcceptedStream, slot: Slot) => void;
  /** Aborted when the listener is closed. */
  readonly signal: AbortSignal;
}

function checkAdmission(stream: AcceptedStream, admit: AcceptOptions["admit"]): boolean {
  try {
    return admit(stream.peer, stream.local);
  } catch (error) {
    // Listing the addresses of this machine can fail too if there are no descriptors left.
    closeQuietly(stream);
    throw error;
  }
}

async function slotFor(stream: AcceptedStream, options: AcceptOptions): Promise<Slot> {
  try {
    return await options.slots.take(options.signal);
  } catch (error) {
    closeQuietly(stream);
    throw error;
  }
}
