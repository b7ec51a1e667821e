// The first minute by hand: the link, the first admin, an endpoint, a request that is refused and one that isn't.
import { after, before, test } from "node:test";
import { go, known, launch, open, picture, sound } from "./browser.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

test("from the printed link to a refused and an answered request", async () => {
  const page = await open(browser);
  await page.goto(`${known.url}/console/setup#${known.token}`);
  await page.getByLabel("Email").fill("root@example.com");
  await page.getByRole("textbox", { name: "Password" }).fill("short");
  await page.getByRole("button", { name: "Make it and sign in" }).click();
  await page.getByText("auth.password_refused").waitFor();
  await sound(page, "setup");
  await picture(page, "setup");
  await page.getByRole("textbox", { name: "Password" }).fill(known.password);
  await page.getByRole("button", { name: "Make it and sign in" }).click();
  await page.getByRole("button", { name: "Begin empty" }).waitFor();
  await sound(page, "what to begin with");
  await page.getByRole("button", { name: "Begin empty" }).click();
  await page.getByRole("button", { name: "Create it" }).click();
  await page.getByText("Every change is a plan").waitFor();
  await page.getByLabel("Comment").fill("The first one");
  await sound(page, "a plan");
  await page.getByRole("button", { name: "Apply" }).click();
  await page.getByRole("button", { name: "Send both" }).click();
  await page.getByText("Refused: 401 access.sign_in_required").waitFor();
  await page.getByText("Answered 200").waitFor();
  await page.getByText("That is the whole idea").waitFor();
  await sound(page, "two requests at the gate");
  await picture(page, "first-minute");
});

test("an example is a plan like any other change", async () => {
  const page = await open(browser, { width: 360, scheme: "dark" });
  await page.goto(`${known.url}/console/setup#${known.token}`);
  await page.getByLabel("Email").fill("other@example.com");
  await page.getByRole("textbox", { name: "Password" }).fill(known.password);
  await page.getByRole("button", { name: "Make it and sign in" }).click();
  await page.getByText("admin.exists").waitFor();
  await sound(page, "a link that was used");
  await go(page, "/");
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
});
