import { VERSION } from "../../lib/version.ts";
import type { Session } from "../session.ts";

/** Runs `ngrokctl version`. */
export function version(session: Session): void {
  session.print({ schema: 1, version: VERSION }, () => `ngrokctl version ${VERSION}\n`);
}
