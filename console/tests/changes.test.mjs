// Changes: planned, applied with a comment, and never over another admin's.
import { after, before, test } from "node:test";
import { launch, open, signIn, go, sound } from "./browser.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

test("an endpoint is made by a plan, and is there at once", async () => {
  const page = await open(browser);
  await signIn(page);
  await go(page, "/start");
  await page.getByRole("textbox", { name: "Name" }).fill("greeting");
  await page.getByRole("button", { name: "Create it" }).click();
  await page.getByText("who is signed in").first().waitFor();
  await sound(page, "the plan");
  await page.getByLabel("Comment").fill("Greets");
  await page.getByRole("button", { name: "Apply" }).click();
  await page.getByRole("button", { name: "Send both" }).waitFor();
  await go(page, "/");
  await page.getByText("/api/greeting").waitFor();
});
