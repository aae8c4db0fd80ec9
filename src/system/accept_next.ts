import { isOfOneConnection } from "./errors.ts";

/**
 * Accepts the next connection. A connection that is gone before it is accepted is skipped at once:
 * a client that connects and resets must not delay the clients behind it.
 *
 * @throws The error of the listener: closed, out of descriptors or memory.
 */
export async function acceptNext<Conn>(accept: () => Promise<Conn>): Promise<Conn> {
  for (;;) {
    try {
      return await accept();
    } catch (error) {
      if (!isOfOneConnection(error)) throw error;
    }
  }
}
