import { MAX_REFUSED } from "../../model/refused.ts";
import { parseList, parseStatus } from "../parse_responses.ts";
import { renderList } from "../render_list.ts";
import type { Session } from "../session.ts";

/** Runs `ngrokctl list`. */
export async function list(session: Session): Promise<void> {
  const endpoints = parseList(await session.call("list"));
  const shown = endpoints.filter(({ state }) => state === "refused").length;
  // The response of `list` is an array, which has no place for the number of the others.
  const refused = shown < MAX_REFUSED ? shown : parseStatus(await session.call("status")).refused_count;
  const refusedMore = Math.max(0, refused - shown);
  session.print(
    { schema: 1, endpoints, refused_count: shown + refusedMore },
    () => renderList(endpoints, { refusedMore }),
  );
}
