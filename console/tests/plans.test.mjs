// The plan of a view as a person reads it, with the index that it lacks.
import { after, before, test } from "node:test";
import { launch, picture, signedIn, sound } from "./browser.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

test("a view's plan is shown for a person, and names the index that an order lacks", async () => {
  const page = await signedIn(browser, "/views/my_documents");
  const preview = page.getByRole("region", { name: "Preview as" });
  await preview.getByLabel("Query").fill("order=amount.desc");
  await preview.getByRole("button", { name: "Show the plan" }).first().click();
  await preview.getByText("They are refused: 401").waitFor();
  await preview.getByLabel("Seen as").nth(1).click();
  await page.getByRole("option", { name: "alice@example.com" }).click();
  await preview.getByRole("button", { name: "Show the plan" }).nth(1).click();
  await preview.getByText("An index is missing").waitFor();
  await preview.getByText("add to documents: indexes: [[amount]]").waitFor();
  await preview.getByText("reads the whole table").waitFor();
  await preview.getByRole("list", { name: "The steps of the plan, the last one first" }).waitFor();
  await sound(page, "a plan");
  await preview.scrollIntoViewIfNeeded();
  await picture(page, "view-plan");
  await page.setViewportSize({ width: 360, height: 860 });
  await sound(page, "a plan at 360");
});
