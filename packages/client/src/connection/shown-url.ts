/** What `new URL` leaves out, wherever it stands. */
const LEFT_OUT = /[\t\n\r]/g;
/**
 * User and password. `new URL` takes any number of slashes and backslashes before them, or none; a location
 * may begin with two.
 */
const USER_INFO = /^(?:\s*([a-z][a-z\d+.-]*:)[/\\]*|\s*[/\\]{2,})[^/\\?#]*@/i;

/**
 * A URL as an error's message shows it: without user and password, and without query and fragment, in which
 * tokens travel.
 */
export function shownUrl(url: string): string {
  return url
    .replace(LEFT_OUT, "")
    .replace(USER_INFO, "$1//")
    .replace(/([?#]).*$/s, "$1…");
}
