// An OpenID Connect issuer with one program and keys of two kinds. It listens on a free port, writes
// its `issuer` to stdout, and ends with its stdin.
import { createServer } from "node:http";
import { generateKeyPair, exportJWK } from "jose";
import { Provider } from "oidc-provider";

const jwk = async (alg) => {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  return { ...(await exportJWK(privateKey)), alg, use: "sig", kid: `the-${alg}-key` };
};
const keys = await Promise.all(["ES256", "RS256"].map(jwk));

const server = createServer();
await new Promise((heard) => server.listen(0, "127.0.0.1", heard));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  jwks: { keys },
  clients: [
    {
      client_id: "shipper",
      client_secret: "the-shipper's-secret",
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    },
  ],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      // A resource's name says how tokens for it are signed.
      getResourceServerInfo: (_, resource) => ({
        scope: "",
        audience: resource,
        accessTokenTTL: 600,
        accessTokenFormat: "jwt",
        jwt: { sign: { alg: resource.endsWith("RS256") ? "RS256" : "ES256" } },
      }),
    },
  },
  extraTokenClaims: () => ({ groups: ["shippers", "admin"] }),
});
server.on("request", provider.callback());
console.log(issuer);
process.stdin.resume().on("end", () => process.exit());
