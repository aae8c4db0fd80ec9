import type { EndpointReport } from "../src/model/report.ts";
import type { DevEndpoint } from "./dev_endpoints.ts";
import type { Stage } from "./stage.ts";

/** What one request through one endpoint showed. */
export interface CheckRow {
  readonly endpoint: DevEndpoint;
  readonly address: string;
  readonly ok: boolean;
  readonly text: string;
}

const REQUEST_LIMIT_MS = 10_000;

/**
 * Sends one request with a fresh nonce through every endpoint, at the addresses that `ngrokctl list --json` gives; nonce and endpoint id must
 * come back from the backend, and the cloud must have counted exactly these upgrades under this operator's certificate.
 */
export async function checkStage(
  stage: Stage,
  endpoints: readonly DevEndpoint[],
): Promise<{ rows: CheckRow[]; problems: string[] }> {
  const listed = new Map((await stage.list()).map((report) => [report.id, report]));
  const { operator_id: operatorId } = await stage.status();
  const before = stage.cloud.upgrades().length;
  const rows: CheckRow[] = [];
  const pools = new Map<string, string[]>();
  for (const endpoint of endpoints) {
    const row = await checkOne(stage, endpoint, listed.get(endpoint.id));
    rows.push(row.row);
    if (row.answeredBy !== undefined) {
      pools.set(endpoint.url, [...pools.get(endpoint.url) ?? [], row.answeredBy]);
    }
  }
  const problems = rows.filter((row) => !row.ok).map((row) => `${row.endpoint.url}: ${row.text}`);
  for (const [url, answered] of pools) {
    const wanted = endpoints.filter((endpoint) => endpoint.url === url).map((endpoint) => endpoint.id);
    const missing = wanted.filter((id) => !answered.includes(id));
    if (missing.length > 0) problems.push(`${url}: ${missing.join(" ")} never answered`);
  }
  const upgrades = stage.cloud.upgrades().slice(before);
  const foreign = upgrades.filter((upgrade) => upgrade.operatorId !== operatorId);
  if (foreign.length > 0) {
    problems.push(`${foreign.length} upgrades came under another operator than ${operatorId}`);
  }
  if (upgrades.length !== endpoints.length) {
    problems.push(`the cloud counted ${upgrades.length} upgrades for ${endpoints.length} requests`);
  }
  return { rows, problems };
}

async function checkOne(
  stage: Stage,
  endpoint: DevEndpoint,
  report: EndpointReport | undefined,
): Promise<{ row: CheckRow; answeredBy?: string }> {
  const address = report?.listen_address ?? "";
  const fail = (text: string) => ({ row: { endpoint, address, ok: false, text } });
  if (report === undefined) return fail("it is not in the list");
  if (report.state !== "active") return fail(`it is ${report.state}: ${report.reason}`);
  const nonce = crypto.randomUUID();
  try {
    if (endpoint.kind === "down") return await checkDown(endpoint, address, nonce);
    const answer = await request(stage, endpoint, address, nonce);
    const pool = endpoint.note === "pool";
    if (!pool && answer.id !== endpoint.id) {
      return fail(`${answer.id || "nobody"} answered instead of ${endpoint.id}`);
    }
    if (answer.nonce !== nonce) return fail("the nonce did not come back");
    return {
      row: { endpoint, address, ok: true, text: `nonce and ${answer.id} came back` },
      answeredBy: answer.id,
    };
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

/** The one that is down must be refused with the cloud's reason, not with silence. */
async function checkDown(endpoint: DevEndpoint, address: string, nonce: string): Promise<{ row: CheckRow }> {
  const text = await exchange(
    await connect(address),
    `GET /?nonce=${nonce} HTTP/1.1\r\nHost: ${endpoint.name}\r\nConnection: close\r\n\r\n`,
  );
  const ok = /^HTTP\/1\.1 502 /.test(text) && /ERR_NGROK_[0-9]+/.test(text);
  return {
    row: {
      endpoint,
      address,
      ok,
      text: ok
        ? `502 ${/ERR_NGROK_[0-9]+/.exec(text)![0]}, as it should`
        : `not a 502 with a reason: ${text.slice(0, 80)}`,
    },
  };
}

async function request(
  stage: Stage,
  endpoint: DevEndpoint,
  address: string,
  nonce: string,
): Promise<{ id: string; nonce: string }> {
  if (endpoint.kind === "tcp") {
    const text = await exchange(await connect(address), `${nonce}\n`);
    return { id: /^220 (\S+)/.exec(text)?.[1] ?? "", nonce: text.includes(nonce) ? nonce : "" };
  }
  const plain = await connect(address);
  const conn = endpoint.kind === "tls"
    ? await Deno.startTls(plain, { hostname: endpoint.name, caCerts: [stage.cloud.caPem] })
    : plain;
  const port = address.split(":")[1];
  const text = await exchange(
    conn,
    `GET /?nonce=${nonce} HTTP/1.1\r\nHost: ${endpoint.name}:${port}\r\nConnection: close\r\n\r\n`,
  );
  const body = /\r\n\r\n(.*)$/s.exec(text)?.[1] ?? "";
  if (!/^HTTP\/1\.1 200 /.test(text)) {
    throw new Error(
      `It answered ${text.split("\r\n")[0] || "nothing"}: ${body.trim().split("\n").slice(1).join(" ")}`,
    );
  }
  const parsed = JSON.parse(body.slice(body.indexOf("{"), body.lastIndexOf("}") + 1));
  return { id: String(parsed.endpoint_id), nonce: String(parsed.nonce) };
}

async function connect(address: string): Promise<Deno.TcpConn> {
  const [hostname, port] = address.split(":");
  return await Deno.connect({ hostname: hostname!, port: Number(port) });
}

/** Sends the text, ends this side, and gives all that comes back. */
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
      // The readable closed it.
    }
  }
}
