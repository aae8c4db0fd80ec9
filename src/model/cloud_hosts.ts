/**
 * The host names that the shipped permission sets hold (docs/permissions.md): the API, the two
 * ingresses, and where `ngrokctl trust fetch` downloads ngrok's CA. No endpoint may take one of
 * them, whether it is in use or not.
 */
export const CLOUD_HOSTS: readonly string[] = [
  "api.ngrok.com",
  "kubernetes-binding-ingress.ngrok.io",
  "connect.ngrok-endpoints.com",
  "raw.githubusercontent.com",
];
