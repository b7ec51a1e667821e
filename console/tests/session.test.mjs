// Signing in, staying signed in, and what another page can't do with that.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { known, launch, open, signedIn, signIn, sound } from "./browser.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

test("a wrong password is refused in the server's words, with the code", async () => {
  const page = await open(browser);
  await page.goto(`${known.url}/console/`);
  await page.getByLabel("Email").fill("root@example.com");
  await page.getByRole("textbox", { name: "Password" }).fill("wrong wrong wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("auth.credentials_invalid").waitFor();
  await sound(page, "a refused sign-in");
});

test("a reload stays signed in, no token is kept where scripts read, and signing out ends it", async () => {
  const page = await open(browser);
  await signIn(page);
  assert.equal(await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }).includes("ey")), false);
  assert.equal(await page.evaluate(() => document.cookie), "");
  const [cookie] = await page.context().cookies(`${known.url}/admin/v1/browser/refresh`);
  assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path], [true, "Strict", "/admin/v1/browser"]);
  await page.reload();
  await page.getByRole("heading", { name: "The gate" }).waitFor();
  await page.getByRole("button", { name: /Account/ }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
});

test("a page of another origin gets no session, though the cookie is there", async () => {
  const page = await signedIn(browser);
  const other = known.url.replace("127.0.0.1", "localhost"); // the same server, another origin
  await page.route(`${other}/other`, (route) => route.fulfill({ contentType: "text/html", body: "<h1>Other</h1>" }));
  page.faults.length = 0;
  await page.goto(`${other}/other`);
  const said = await page.evaluate(async (url) => {
    try {
      const answer = await fetch(`${url}/admin/v1/browser/refresh`, { method: "POST", credentials: "include" });
      return answer.status;
    } catch {
      return "not to be read";
    }
  }, known.url);
  assert.equal(said, "not to be read");
  await page.goto(`${known.url}/console/`);
  await page.getByRole("heading", { name: "The gate" }).waitFor(); // that request used up no token
});

test("no page frames the console", async () => {
  const answer = await fetch(`${known.url}/console/`);
  const policy = answer.headers.get("content-security-policy");
  assert.match(policy, /frame-ancestors 'none'/);
  assert.match(policy, /script-src 'self';/);
  assert.equal(answer.headers.get("x-frame-options"), "DENY");
  const page = await open(browser);
  await page.route("**/framing", (route) => route.fulfill({ contentType: "text/html", body: `<iframe src="${known.url}/console/"></iframe>` }));
  await page.goto(`${known.url}/framing`);
  await page.waitForFunction(() => frames.length === 1);
  assert.match(page.frames()[1].url(), /^chrome-error:/);
  assert.equal(await page.frames()[1].locator("#root").count(), 0);
});

test("a viewer sees the gate and may not send requests through it", async () => {
  const page = await signedIn(browser, "/", { email: "viewer@example.com" });
  await page.getByText("/api/export").click();
  await page.getByText("Only editors may simulate requests.").waitFor();
  await sound(page, "a viewer's gate");
});

test("a server that goes away is told, and nothing is lost when it is back", async () => {
  const page = await signedIn(browser);
  await page.getByLabel("Filter by name, path or table").fill("export");
  await page.route("**/admin/v1/**", (route) => route.abort());
  await page.route("**/healthz", (route) => route.abort());
  await page.getByRole("button", { name: "Recent requests" }).click();
  await page.getByText("The server doesn't answer. What you typed").waitFor();
  await page.unroute("**/admin/v1/**");
  await page.unroute("**/healthz");
  await page.getByText("The server doesn't answer. What you typed").waitFor({ state: "detached" });
  assert.equal(await page.getByLabel("Filter by name, path or table").inputValue(), "export");
});
