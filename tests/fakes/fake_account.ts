import { Account, type AccountOptions } from "../../src/account/account.ts";
import { IngressMemory } from "../../src/account/ingress_memory.ts";
import type { Pair } from "../../src/identity/store.ts";
import { FileError } from "../../src/model/errors.ts";
import type { sendHttp } from "../../src/system/http.ts";
import { apiClient } from "./fake_api.ts";

const DAY_MS = 86_400_000;

/** The state directory of a fake account, kept from one process to the next. */
export interface FakeDisk {
  id?: string | undefined;
  pair?: Pair | undefined;
  marker?: string | undefined;
  readonly problems?: readonly FileError[];
}

/**
 * A pair whose certificate is issued now for 90 days; its serial is the text of the certificate.
 */
export function fakePair(cert = "c"): Pair {
  const info = { serial: cert, notBefore: Date.now(), notAfter: Date.now() + 90 * DAY_MS };
  return { cert, key: "k", info } as unknown as Pair;
}

/**
 * An account of which nothing but the disk and the API is faked; not loaded. By default it was
 * registered as `k8sop_1`.
 */
export function fakeAccount(
  options: { send: typeof sendHttp; disk?: FakeDisk } & Partial<AccountOptions>,
): Account {
  const { send, disk = { id: "k8sop_1", pair: fakePair() }, ...rest } = options;
  const noFile = (path: string) => Promise.reject(new FileError("Cannot read", { path, reason: "missing" }));
  return new Account({
    client: apiClient({ send }),
    store: {
      load: () => Promise.resolve({ operatorId: disk.id, pair: disk.pair, problems: disk.problems ?? [] }),
      savePair: ({ cert }) => Promise.resolve(disk.pair = fakePair(cert)),
      saveOperatorId: (id) => Promise.resolve(void (disk.id = id)),
      forgetOperatorId: () => Promise.resolve(void delete disk.id),
    },
    marker: {
      pending: () => Promise.resolve(disk.marker),
      begin: () => Promise.resolve(disk.marker = crypto.randomUUID()),
      end: () => Promise.resolve(void delete disk.marker),
    },
    ingress: new IngressMemory("ingress_endpoint.json", {
      readOwn: noFile,
      writeFileAtomic: () => Promise.resolve(),
      removeFile: () => Promise.resolve(),
      renameFile: () => Promise.resolve(),
    }),
    createRequest: () => Promise.resolve({ key: "k", csr: "r" }),
    hasKey: () => true,
    selectors: () => ["true"],
    ...rest,
  });
}
