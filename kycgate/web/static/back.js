// Goes on to the renter's own step: a step of this page's own carries the session, a foreign link's does not.
export function start() {
  location.replace("/");
}
