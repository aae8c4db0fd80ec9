import type { Proxy } from "../model/proxy.ts";
import { refuse } from "./field.ts";
import { parseProxyUrl } from "./parse_proxy_url.ts";

/** The value of `proxy_url`. No message shows it. */
export function readProxyUrl(value: unknown): Proxy {
  if (typeof value !== "string") {
    return refuse("it is not text", "Write it like http://proxy.example.com:3128");
  }
  const result = parseProxyUrl(value, "proxy_url");
  return "message" in result ? refuse(result.message, result.suggestion) : result;
}
