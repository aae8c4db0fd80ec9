import type { Moment } from "./cases.ts";
import type { Observation } from "./run_case.ts";

const MOMENTS: readonly (readonly [Moment, string, string])[] = [
  [
    "poll",
    "The list of endpoints",
    "The daemon is registered and serves two endpoints when the API's list goes wrong.",
  ],
  [
    "register",
    "Registration",
    "The daemon starts for the first time, and the answer to its registration goes wrong.",
  ],
  ["renew", "Renewal", "`ngrokctl refresh-cert --force` is run, and the answer to it goes wrong."],
  ["connect", "The ingress", "A client connects while the ingress goes wrong."],
  [
    "switch",
    "What the protocol leaves open",
    "Each way that the cloud may behave where nothing settles how it does.",
  ],
];

/** Renders the observations as one Markdown table for each moment. */
export function renderPage(observations: readonly Observation[]): string {
  const sections = MOMENTS.map(([moment, title, text]) => {
    const rows = observations.filter((one) => one.case.moment === moment).map(renderRow);
    return [`## ${title}`, "", text, "", ...HEAD, ...rows, ""].join("\n");
  });
  return [...INTRODUCTION, ...sections].join("\n");
}

const INTRODUCTION = [
  "# When the cloud fails",
  "",
  "`deno task faults:cloud` writes this file: it runs the daemon against the simulated cloud, once for each fault and switch, and records",
  "what it saw. The task fails if the daemon removes an endpoint that the cloud did not leave out twice, if a client gets an unexpected",
  "reply, if the user cannot read what failed, or if the daemon does not recover.",
  "",
  "",
];
const HEAD = ["| switch | what the daemon did | what the user reads |", "| --- | --- | --- |"];

function renderRow({ case: { title }, did, reads }: Observation): string {
  return `| ${[title, did.join("; "), reads === "" ? "–" : reads].map(cell).join(" | ")} |`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ").replaceAll("<", "‹").replaceAll(">", "›");
}
