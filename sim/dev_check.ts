import type { EndpointReport } from "../src/model/report.ts";
import type { DevEndpoint } from "./dev_endpoints.ts";
import type { Stage } from "./stage.ts";

const REQUEST_LIMIT_MS = 10_000;

/**
 * Sends one request with a new nonce through every endpoint, at the address that `ngrokctl list
 * --json` prints. The answer must hold the nonce and the endpoint's id, every member of a pool must
 * answer, and the cloud must have counted exactly these upgrades, all of this operator.
 */
export async function checkEndpoints(
  stage: Stage,
  endpoints: readonly DevEndpoint[],
): Promise<{ rows: CheckRow[]; problems: string[] }> {
  const reports = new Map((await stage.list()).map((report) => [report.id, report]));
  const { operator_id: operatorId } = await stage.status();
  const before = stage.cloud.upgrades().length;
  const rows: CheckRow[] = [];
  for (const endpoint of endpoints) rows.push(await checkEndpoint(stage, endpoint, reports.get(endpoint.id)));
  const problems = rows.filter((row) => !row.ok).map((row) => `${row.endpoint.url}: ${row.text}`);
  for (const [url, members] of Map.groupBy(rows, (row) => row.endpoint.url)) {
    const silent = members.filter(({ endpoint, ok }) =>
      ok && endpoint.kind !== "down" && !members.some(({ answeredBy }) => answeredBy === endpoint.id)
    );
    for (const { endpoint } of silent) problems.push(`${url}: ${endpoint.id} never answered`);
  }
  const upgrades = stage.cloud.upgrades().slice(before);
  const foreign = upgrades.filter((upgrade) => upgrade.operatorId !== operatorId);
  if (foreign.length > 0) {
    problems.push(
      `${foreign.length} connections used another operator's certificate than that of ${operatorId}`,
    );
  }
  if (upgrades.length !== endpoints.length) {
    problems.push(`the cloud received ${upgrades.length} connections for ${endpoints.length} requests`);
  }
  return { rows, problems };
}

/** The result of one request through one endpoint. */
export interface CheckRow {
  readonly endpoint: DevEndpoint;
  readonly address: string;
  readonly ok: boolean;
  readonly text: string;
  /** The id in the answer. */
  readonly answeredBy?: string;
}

async function checkEndpoint(
  stage: Stage,
  endpoint: DevEndpoint,
  report: EndpointReport | undefined,
): Promise<CheckRow> {
  const address = report?.listen_address ?? "";
  const failed = (text: string): CheckRow => ({ endpoint, address, ok: false, text });
  if (report === undefined) return failed("ngrokctl list does not show it");
  if (report.state !== "active") return failed(`it is ${report.state}: ${report.reason}`);
  const nonce = crypto.randomUUID();
  try {
    if (endpoint.kind === "down") return await checkDown(endpoint, address);
    const answer = await request(stage, endpoint, { address, nonce });
    if (endpoint.note !== "pool of two" && answer.id !== endpoint.id) {
      return failed(`${answer.id || "nobody"} answered instead of ${endpoint.id}`);
    }
    if (answer.nonce !== nonce) return failed("the answer does not hold the nonce of the request");
    return { endpoint, address, ok: true, text: "answered", answeredBy: answer.id };
  } catch (error) {
    return failed(error instanceof Error ? error.message : String(error));
  }
}

/** Demands that an endpoint whose backend is down answers with the reason of the cloud. */
async function checkDown(endpoint: DevEndpoint, address: string): Promise<CheckRow> {
  const text = await exchange(await connect(address), httpRequest(endpoint.name, ""));
  const ok = /^HTTP\/1\.1 502 /.test(text) && /ERR_NGROK_[0-9]+/.test(text);
  return {
    endpoint,
    address,
    ok,
    text: ok ? "502, as expected" : `not the 502 of the cloud: ${summary(text)}`,
  };
}

async function request(
  stage: Stage,
  endpoint: DevEndpoint,
  { address, nonce }: { address: string; nonce: string },
): Promise<{ id: string; nonce: string }> {
  const { kind, name } = endpoint;
  const plain = await connect(address);
  if (kind === "tcp") {
    const text = await exchange(plain, `${nonce}\n`);
    return { id: /^220 (\S+)/.exec(text)?.[1] ?? "", nonce: text.includes(nonce) ? nonce : "" };
  }
  const conn = kind === "tls"
    ? await Deno.startTls(plain, { hostname: name, caCerts: [stage.cloud.caPem] })
    : plain;
  const text = await exchange(conn, httpRequest(`${name}:${address.split(":")[1]}`, nonce));
  const body = /\r\n\r\n(.*)$/s.exec(text)?.[1] ?? "";
  if (!/^HTTP\/1\.1 200 /.test(text)) throw new Error(`It answered ${summary(text)}`);
  const parsed = JSON.parse(body.slice(body.indexOf("{"), body.lastIndexOf("}") + 1));
  return { id: String(parsed.endpoint_id), nonce: String(parsed.nonce) };
}

/** The status line and the body of an HTTP answer, in one line. */
function summary(answer: string): string {
  const [head = "", body = ""] = answer.split("\r\n\r\n");
  return `${head.split("\r\n")[0] || "nothing"}: ${body.trim().replaceAll(/\s+/g, " ")}`;
}

function httpRequest(host: string, nonce: string): string {
  return `GET /?nonce=${nonce} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
}

async function connect(address: string): Promise<Deno.TcpConn> {
  const [hostname, port] = address.split(":");
  return await Deno.connect({ hostname: hostname!, port: Number(port) });
}

/** Sends a text, ends this direction, and returns all that comes back. */
async function exchange(conn: Deno.TcpConn | Deno.TlsConn, text: string): Promise<string> {
  const timer = setTimeout(() => conn.close(), REQUEST_LIMIT_MS);
  try {
    await conn.write(new TextEncoder().encode(text));
    await conn.closeWrite();
    return await new Response(conn.readable).text();
  } finally {
    clearTimeout(timer);
    try {
      conn.close();
    } catch {
      // Reading to the end has closed it.
    }
  }
}
