import type { ListenerRoutes } from "../model/route_table.ts";
import type { Turns } from "../system/turns.ts";
import type { Activity } from "./activity.ts";
import type { LargeHeads } from "./admission/large_heads.ts";
import type { OpenOptions } from "./counted_upstream.ts";
import type { HostRules } from "./http/refuse_foreign.ts";
import type { NamelessProtocol } from "./prelude/protocol_of.ts";

/** The parts that a connection is served with. */
export interface ConnectionOptions extends Omit<OpenOptions, "source"> {
  /** Returns the present routes of the connection's listener. */
  readonly routes: () => ListenerRoutes | undefined;
  readonly rules: HostRules;
  readonly largeHeads: LargeHeads;
  /** The limit of a pause of one direction after the other has ended (docs/reliability.md R29). */
  readonly halfCloseMs: () => number;
  /** The turns of clients whose requests cost much processor time. */
  readonly turns: Turns;
  /** Called if the client names no endpoint, and its protocol shows. */
  readonly onNameless: (protocol: NamelessProtocol) => void;
  /** Called when the route is known. */
  readonly onRouted: () => void;
  /** Called when the connection has an upstream. */
  readonly follow: (activity: Activity) => void;
}
