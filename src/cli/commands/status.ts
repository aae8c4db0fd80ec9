import { parseStatus } from "../parse_responses.ts";
import { renderStatus } from "../render_status.ts";
import { EXIT } from "../failure.ts";
import type { Session } from "../session.ts";

/** Runs `ngrokctl status`. Returns exit code 1 if nothing is served. */
export async function status(session: Session): Promise<number> {
  const report = parseStatus(await session.call("status"));
  session.print(report, () => renderStatus(report));
  return report.verdict === "down" ? EXIT.failure : EXIT.ok;
}
