// Says whether a message is signed as it should be: its secret, headers and body are the arguments.
import { Webhook } from "standardwebhooks";

const [secret, headers, body] = process.argv.slice(2);
try {
  new Webhook(secret).verify(body, JSON.parse(headers));
  console.log("good");
} catch (error) {
  console.log(error.message);
}
