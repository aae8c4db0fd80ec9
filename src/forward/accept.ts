import { getLogger } from "@logtape/logtape";
import { messageOf } from "../model/errors.ts";
import { closeQuietly } from "../system/byte_stream.ts";
import { keepGoing } from "../system/keep_going.ts";
import type { AcceptedStream, TcpListener } from "../system/net.ts";
import type { ConnectionSlots, Slot } from "./admission/connection_slots.ts";

const log = getLogger(["ngrokd", "forward"]);

/** What an accept loop hands over to, and what ends it. */
export interface AcceptOptions {
  readonly slots: ConnectionSlots;
  /** Whether a peer may connect at all to the local address that it dialled; one that may not gets nothing. */
  readonly admit: (peer: string, local?: string) => boolean;
  /** Takes over the connection and its slot; must not throw. */
  readonly onConnection: (stream: AcceptedStream, slot: Slot) => void;
  /** Aborted when the listener is closed. */
  readonly signal: AbortSignal;
}

/**
 * Accepts connections until the signal aborts, whatever happens: an error (no descriptor left, a peer that went away) only makes it wait,
 * 5 ms at first, at most 1 s. `for await` over a listener would end for good at the first one (RUNTIME.md).
 *
 * While all slots are taken nothing is accepted and clients wait in the kernel's queue. The slot itself is taken after the accept, so
 * that idle listeners hold none: at most one connection per listener is accepted and waits.
 */
export async function acceptLoop(listener: TcpListener, options: AcceptOptions): Promise<void> {
  const { slots, admit, onConnection, signal } = options;
  const address = listener.key;
  let failing = false;

  async function accept(succeeded: () => void): Promise<never> {
    for (;;) {
      (await slots.take(signal))[Symbol.dispose]();
      const stream = await listener.accept();
      const isWelcome = isAdmitted(stream, admit);
      succeeded();
      if (failing) log.info("Accepting connections on {address} again", { address });
      failing = false;
      if (isWelcome) {
        onConnection(stream, await slotFor(stream, options));
      } else {
        closeQuietly(stream);
        log.debug("Connection from {peer} on {address} is not admitted", { peer: stream.peer, address });
      }
    }
  }

  await keepGoing(accept, {
    signal,
    onFailure(error) {
      failing = true;
      log.warn("Cannot accept connections on {address}: {reason}", { address, reason: messageOf(error) });
    },
  });
}

function isAdmitted(stream: AcceptedStream, admit: AcceptOptions["admit"]): boolean {
  try {
    return admit(stream.peer, stream.local);
  } catch (error) {
    // Asking for this machine's addresses takes a descriptor too.
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
