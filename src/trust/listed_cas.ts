/** A CA that may be learnt from the ingress itself. */
export interface ListedCa {
  /** The hash of the DER: upper-case hexadecimal pairs with colons. */
  readonly sha256: string;
  /** Its subject, to recognise a CA that imitates it. */
  readonly subject: string;
}

/**
 * The CAs of ngrok's ingress (docs/decisions/0012). Only a new version of ngrokd changes this list;
 * no configuration and no environment variable adds to it.
 */
export const LISTED_CAS: readonly ListedCa[] = [
  {
    // Valid to 2032-08-28; `certs/ngrok-ca.crt` of the public ngrok-operator repository.
    sha256: "CF:CE:8A:27:B7:4E:0C:51:C6:54:73:9A:35:3E:51:C1:35:26:0B:5B:97:7D:29:DF:67:03:8B:E7:EF:6F:F8:47",
    subject: "C=US, ST=California, O=ngrok Inc, OU=prod, CN=Intermediate CA",
  },
];
