import { parseList } from "../parse_responses.ts";
import { renderList } from "../render_list.ts";
import type { Session } from "../session.ts";

/** Runs `ngrokctl list`. */
export async function list(session: Session): Promise<void> {
  const endpoints = parseList(await session.call("list"));
  session.print({ schema: 1, endpoints }, () => renderList(endpoints));
}
