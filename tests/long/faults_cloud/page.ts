import type { Moment } from "./cases.ts";
import type { Observation } from "./run_case.ts";

const MOMENTS: readonly (readonly [Moment, string, string])[] = [
  [
    "poll",
    "List of endpoints",
    "The daemon is registered and serves two endpoints when the list of the API fails.",
  ],
  [
    "register",
    "Registration",
    "The daemon starts for the first time, and the answer to its registration fails.",
  ],
  ["renew", "Renewal", "The user runs `ngrokctl refresh-cert --force`, and the answer of the API fails."],
  ["connect", "Ingress", "A client connects while the ingress fails."],
  [
    "switch",
    "Open questions of the protocol",
    "Each way in which the cloud may behave where the protocol leaves it open.",
  ],
];

/** Renders the observations as one Markdown table for each moment that has any. */
export function renderPage(observations: readonly Observation[]): string {
  const sections = MOMENTS.map(([moment, title, text]) => {
    const rows = observations.filter((observation) => observation.case.moment === moment).map(renderRow);
    return rows.length === 0 ? "" : [`## ${title}`, "", text, "", ...HEAD, ...rows, ""].join("\n");
  });
  return [...INTRODUCTION, ...sections].join("\n");
}

const INTRODUCTION = [
  "# When the cloud fails",
  "",
  "`deno task faults:cloud` writes this file. It runs the daemon against the simulated cloud, once for each fault and switch, and records",
  "what happens. The task fails if the daemon removes an endpoint that was missing from fewer than two polls, if a client gets an",
  "unexpected answer, if the user cannot read what failed, or if the daemon does not recover.",
  "",
  "",
];
const HEAD = ["| fault or switch | what the daemon does | what the user reads |", "| --- | --- | --- |"];

function renderRow({ case: { title }, actions, userText }: Observation): string {
  return `| ${[title, actions.join("; "), userText === "" ? "–" : userText].map(cell).join(" | ")} |`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ").replaceAll("<", "‹").replaceAll(">", "›");
}
