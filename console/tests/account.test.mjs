// An admin's own account: invited by a link, a forgotten password, a second factor, sessions and sign-ins.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { codeOf } from "./authenticator.mjs";
import { go, known, launch, open, picture, signedIn, signIn, sound, turn } from "./browser.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

const NEW = "another much longer battery";

/** The link of the newest mail to an address, as development shows it to owners. */
async function linkTo(email) {
  const post = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ email: "root@example.com", password: known.password }) };
  const { access_token } = await (await fetch(`${known.url}/admin/v1/sign-in`, post)).json();
  const mails = await (await fetch(`${known.url}/admin/v1/mail`, { headers: { Authorization: `Bearer ${access_token}` } })).json();
  const { text } = mails.find((one) => one.to === email);
  return `/${/\/console\/(\S+)/.exec(text)[1]}`;
}

test("who is invited opens the link, chooses a password and signs in with it", async () => {
  const owner = await signedIn(browser, "/people/admins");
  await owner.getByRole("button", { name: "Invite an admin" }).click();
  await owner.getByRole("dialog").getByLabel("Email").fill("ada@example.com");
  await sound(owner, "an invitation");
  await owner.getByRole("dialog").getByRole("button", { name: "Invite", exact: true }).click();
  await owner.getByText("This link is shown this once").waitFor();
  const link = await owner.getByRole("alert").locator(".code").innerText();
  await owner.getByRole("table", { name: "Invitations" }).getByRole("cell", { name: "ada@example.com" }).waitFor();
  await sound(owner, "the invitations");
  const page = await open(browser);
  await page.goto(link);
  await page.getByRole("textbox", { name: "New password" }).fill("short");
  await page.getByRole("button", { name: "Choose it" }).click();
  await page.getByText("auth.password_refused").waitFor();
  await page.getByRole("textbox", { name: "New password" }).fill(NEW);
  await sound(page, "an invitation that is taken up");
  await page.getByRole("button", { name: "Choose it" }).click();
  await page.getByText("Your password is chosen.").waitFor();
  await signIn(page, "ada@example.com", "/", NEW);
  const again = await open(browser);
  await again.goto(link);
  await again.getByRole("textbox", { name: "New password" }).fill(NEW);
  await again.getByRole("button", { name: "Choose it" }).click();
  await again.getByText("auth.link_invalid").waitFor();
});

test("an owner revokes an invitation", async () => {
  const page = await signedIn(browser, "/people/admins");
  await page.getByRole("button", { name: "Invite an admin" }).click();
  await page.getByRole("dialog").getByLabel("Email").fill("bea@example.com");
  await page.getByRole("dialog").getByRole("button", { name: "Invite", exact: true }).click();
  const row = page.getByRole("table", { name: "Invitations" }).getByRole("row", { name: /bea@example.com/ });
  await row.getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await row.waitFor({ state: "detached" });
});

test("a forgotten password is replaced by a mail's link", async () => {
  const page = await open(browser);
  await go(page, "/");
  await page.getByRole("link", { name: "Forgot your password?" }).click();
  for (const email of ["nobody@example.com", "viewer@example.com"]) {
    await page.getByLabel("Email").fill(email);
    await page.getByRole("button", { name: "Send the mail" }).click();
    await page.getByText("If there is an admin with this address").waitFor();
    await sound(page, "a forgotten password");
  }
  const coming = await open(browser);
  await go(coming, await linkTo("viewer@example.com"));
  await coming.getByRole("textbox", { name: "New password" }).fill(NEW);
  await sound(coming, "another password");
  await coming.getByRole("button", { name: "Choose it" }).click();
  await coming.getByText("Your password is chosen.").waitFor();
  await signIn(coming, "viewer@example.com", "/", NEW);
});

test("a second factor is added, asked for at the next sign-in, and a recovery code stands in for it", async () => {
  const page = await signedIn(browser, "/account", { email: "editor@example.com" });
  await page.getByRole("button", { name: "Add an authenticator" }).click();
  await page.getByRole("dialog").getByLabel("What to call it").fill("Phone");
  await page.getByRole("dialog").getByRole("textbox", { name: "Present password" }).fill(known.password);
  await page.getByRole("dialog").getByRole("button", { name: "Go on" }).click();
  const picture_ = page.getByRole("img", { name: "The code to scan" });
  await picture_.waitFor();
  assert.ok(await picture_.evaluate((image) => image.decode().then(() => image.naturalWidth > 0)));
  const secret = await page.locator("form .code").innerText();
  await sound(page, "an authenticator that is added");
  await page.getByLabel("Code", { exact: true }).fill(codeOf(secret, -1));
  await page.getByRole("button", { name: "Verify" }).click();
  const codes = (await page.getByRole("alert").locator("pre").innerText()).split("\n");
  assert.equal(codes.length, 10);
  await sound(page, "recovery codes");
  await page.getByRole("button", { name: "I have kept them" }).click();
  await page.getByText("10 recovery codes are left.").waitFor();
  await picture(page, "account");

  const next = await open(browser);
  await go(next, "/");
  await next.getByLabel("Email").fill("editor@example.com");
  await next.getByRole("textbox", { name: "Password" }).fill(known.password);
  await next.getByRole("button", { name: "Sign in" }).click();
  await next.getByRole("heading", { name: "Your second factor" }).waitFor();
  await next.getByLabel("Code", { exact: true }).fill("000000");
  await next.getByRole("button", { name: "Sign in" }).click();
  await next.getByText("auth.factor_code_wrong").waitFor();
  await sound(next, "a code that is wrong");
  await next.getByLabel("Code", { exact: true }).fill(codes[0]);
  await next.getByRole("button", { name: "Sign in" }).click();
  await next.getByRole("heading", { name: "The gate" }).waitFor();
  await turn(next, "/account");
  await next.getByText("9 recovery codes are left.").waitFor();
  await next.getByRole("table", { name: "Sign-ins" }).getByText("wrong code").waitFor();
  await sound(next, "the account");

  const owner = await signedIn(browser, "/people/admins");
  const row = owner.getByRole("row", { name: /editor@example.com/ });
  await row.getByRole("cell", { name: "yes" }).waitFor();
  await row.getByRole("button", { name: "Sign-ins of editor@example.com" }).click();
  await owner.getByRole("dialog").getByText("wrong code").waitFor();
  await sound(owner, "an admin's sign-ins");
  await owner.getByRole("button", { name: "Reset the second factor" }).click();
  await owner.getByRole("dialog").last().getByRole("button", { name: "Reset the second factor" }).click();
  await row.getByRole("cell", { name: "no", exact: true }).waitFor();
  await signIn(await open(browser), "editor@example.com");
});

test("the password is changed with the present one, and another session is ended", async () => {
  const elsewhere = await open(browser);
  await signIn(elsewhere, "other@example.com", "/account");
  const page = await signedIn(browser, "/account", { email: "other@example.com" });
  const sessions = page.getByRole("table", { name: "Sessions" });
  await sessions.getByText("this one").waitFor();
  await sessions.getByRole("button", { name: "End" }).click();
  await sessions.getByRole("button", { name: "End" }).waitFor({ state: "detached" });
  await elsewhere.reload();
  await elsewhere.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.getByRole("button", { name: "Change the password" }).click();
  const form = page.getByRole("dialog");
  await form.getByRole("textbox", { name: "Present password" }).fill("wrong wrong wrong");
  await form.getByRole("textbox", { name: "New password" }).fill(NEW);
  await form.getByRole("button", { name: "Change the password" }).click();
  await form.getByText("auth.password_wrong").waitFor();
  await form.getByRole("textbox", { name: "Present password" }).fill(known.password);
  await form.getByRole("button", { name: "Change the password" }).click();
  await page.getByText("The password is changed").waitFor();
  await signIn(await open(browser), "other@example.com", "/", NEW);
});
