import { parseStatus } from "../parse_responses.ts";
import { renderStatus } from "../render_status.ts";
import type { Session } from "../session.ts";

/** Runs `ngrokctl status`. */
export async function status(session: Session): Promise<void> {
  const report = parseStatus(await session.call("status"));
  session.print(report, () => renderStatus(report));
}
