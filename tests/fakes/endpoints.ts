import { type Endpoint, parseEndpointUrl } from "../../src/model/endpoint.ts";

/** An endpoint with this URL. */
export function endpoint(url: string, id = `ep_${url}`): Endpoint {
  return { id, url, ...parseEndpointUrl(url) };
}

/** Endpoints with these URLs, the first the oldest. */
export function endpoints(...urls: string[]): Endpoint[] {
  return urls.map((url, index) => endpoint(url, `ep_${String(index).padStart(5, "0")}`));
}
