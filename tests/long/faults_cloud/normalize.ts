import type { Stage } from "../../../sim/stage.ts";

/** Replaces the parts of a text that differ from run to run: ports, ids, addresses, times. */
export function normalize(text: string, stage: Pick<Stage, "cloud" | "directory">): string {
  const { cloud, directory } = stage;
  return text
    .replaceAll(cloud.apiUrl, "https://api")
    .replaceAll(`${cloud.ingressHost}:${cloud.ingressPort}`, "ingress:443")
    .replaceAll(directory, "…")
    // Either endpoint can be the last one to fail.
    .replace(/\b(?:web|db)\.faults:\d+/g, "<endpoint>")
    .replace(/(?<=other\.example\.com):\d+/g, ":<port>")
    .replace(/127\.\d+\.\d+\.\d+/g, "<address>")
    .replace(/\d{4}-\d\d-\d\d[T ][\d:.]+Z?/g, "<time>")
    .replace(/\b(k8sop|op|ep|req|cr)_[A-Za-z0-9]{20,}/g, "$1_…")
    .replace(/\b[0-9a-f]{16,}\b/gi, "<hex>")
    .replace(/(?:[0-9A-F]{2}:){15,}[0-9A-F]{2}/g, "<fingerprint>")
    .trim();
}
