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

/** The page `docs/cloud-faults.md`. */
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
  "`deno task faults:cloud` makes this page: it runs the real daemon against the simulated cloud, once for each fault and switch that the",
  "simulator has, and writes down what it saw. It fails if an endpoint was taken away that the cloud did not take away twice, if a client got",
  "another answer than the table's, if the user would have read nothing, or if the daemon did not come back by itself. With `--check` it",
  "changes nothing and fails where the page is not what it saw.",
  "",
  "",
];
const HEAD = ["| switch | what the daemon did | what the user reads |", "| --- | --- | --- |"];

/** The line of the page that shows one case. */
export function renderRow({ case: { title }, did, reads }: Observation): string {
  return `| ${[title, did.join("; "), reads === "" ? "–" : reads].map(cell).join(" | ")} |`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ").replaceAll("<", "‹").replaceAll(">", "›");
}
