import assert from "node:assert/strict";
import { clientRows, clientTable } from "../../scripts/clients/client_table.ts";

Deno.test("clientTable() lists the results of tests with real clients by client and mode", () => {
  const names = [
    "psql, virtual mode: connects",
    "psql, network mode: refused, with the reason in the log",
    "curl, virtual mode: connects, twice (skipped: needs root)",
    "reads a query",
  ];
  const rows = clientRows(names.map((name) => ({ name, file: "a_test.ts", rows: [], skipped: false })));
  assert.equal(
    clientTable(rows),
    `| client | mode | result |
|---|---|---|
| curl | virtual | connects, twice |
| psql | network | refused, with the reason in the log |
| psql | virtual | connects |
`,
  );
});
