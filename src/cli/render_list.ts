import { escapeControls } from "../lib/printable.ts";
import type { EndpointReport } from "../model/report.ts";
import { box } from "./box.ts";
import { table } from "./table.ts";

const NONE = [
  "  No endpoints discovered.",
  "",
  '  An endpoint appears here when it has the binding "kubernetes".',
  "  To check the registration and the API: ngrokctl status",
  "",
];

/** Renders the text of `ngrokctl list` (docs/compatibility.md 4.11); a reason follows its row. */
export function renderList(
  endpoints: readonly EndpointReport[],
  { refusedMore = 0 }: ListTextOptions = {},
): string {
  const title = box("Discovered Bound Endpoints", 12);
  if (endpoints.length === 0) return title + NONE.map((line) => `${line}\n`).join("");
  const rows = endpoints.map((endpoint) => ({
    cells: [endpoint.url, addressOf(endpoint), endpoint.listen_interface || "virtual", symbolOf(endpoint)]
      .map(
        escapeControls,
      ),
    notes: endpoint.reason === "" ? [] : [escapeControls(endpoint.reason)],
  }));
  const more = refusedMore === 0 ? "" : `, and ${refusedMore} more that are refused`;
  return `${title}${
    table(["URL", "LISTEN ADDRESS", "MODE", "STATUS"], rows)
  }\n  Total: ${endpoints.length} endpoint(s)${more}\n\n`;
}

/** Options of {@linkcode renderList}. */
export interface ListTextOptions {
  /** The number of refused endpoints without a row. @default {0} */
  readonly refusedMore?: number;
}

function addressOf({ listen_address, listen_interface, network_port, ip, port }: EndpointReport): string {
  if (listen_address !== "") return listen_address;
  if (listen_interface !== "virtual" && network_port > 0) return `${listen_interface}:${network_port}`;
  return ip === "" ? "-" : `${ip}:${port}`;
}

function symbolOf({ state }: EndpointReport): string {
  if (state === "failing") return "❌ failing";
  return state === "active" ? "✓" : state === "degraded" ? "⚠" : "❌";
}
