// The same request to copy: as curl, and as supabase-js.
import { ActionIcon, CopyButton, Group, Tabs, Tooltip } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { asJson } from "../api/exact";
import { settings } from "../api/reads";
import { Check, Copy } from "../parts/icons";
import type { Person } from "../parts/PersonPicker";
import { useTexts } from "../texts";

type Sent = { method: string; path: string; query: string; body?: unknown };

export function Calls({ sent, person, name }: { sent: Sent; person: Person | undefined; name: string | undefined }) {
  const { data: read } = useQuery(settings);
  const url = (read?.public_url ?? window.location.origin) + sent.path + (sent.query ? `?${sent.query}` : "");
  const signedIn = person !== undefined && person.kind !== "anonymous";
  const key = read?.publishable_key ?? "";
  const curl = [
    `curl${sent.method === "GET" ? "" : ` -X ${sent.method}`} ${quoted(url)}`,
    `-H ${quoted(`apikey: ${key}`)}`,
    ...(signedIn ? ['-H "Authorization: Bearer $TOKEN"'] : []),
    ...(sent.body === undefined ? [] : ["-H 'Content-Type: application/json'", `-d ${quoted(asJson(sent.body))}`]),
  ].join(" \\\n  ");
  const js = script(sent, read?.public_url ?? window.location.origin, key, name);
  return (
    <Tabs defaultValue="curl" keepMounted={false}>
      <Tabs.List>
        <Tabs.Tab value="curl">curl</Tabs.Tab>
        <Tabs.Tab value="js">supabase-js</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="curl" pt={8}><Code text={curl} /></Tabs.Panel>
      <Tabs.Panel value="js" pt={8}><Code text={js} /></Tabs.Panel>
    </Tabs>
  );
}

/** An endpoint is called by its name where its path has no fields, and by its address elsewhere. */
function script(sent: Sent, url: string, key: string, name: string | undefined): string {
  const head = `const rowgate = createClient(${JSON.stringify(url)}, ${JSON.stringify(key)});\n`;
  const view = /^\/rest\/v1\/(\w+)$/.exec(sent.path)?.[1];
  const body = asJson(sent.body ?? {});
  if (view !== undefined) {
    const writes: Record<string, string> = { POST: `insert(${body})`, PATCH: `update(${body})`, DELETE: "delete()" };
    return `${head}const { data, error } = await rowgate.from(${JSON.stringify(view)}).${writes[sent.method] ?? "select()"};`;
  }
  if (name !== undefined) return `${head}const { data, error } = await rowgate.rpc(${JSON.stringify(name)}, ${body});`;
  const headers = "{ Authorization: `Bearer ${session.access_token}`, \"Content-Type\": \"application/json\" }";
  const more = sent.body === undefined ? "" : `, body: JSON.stringify(${body})`;
  const target = JSON.stringify(url + sent.path + (sent.query ? `?${sent.query}` : ""));
  return `${head}const { data: { session } } = await rowgate.auth.getSession();
const answer = await fetch(${target}, { method: ${JSON.stringify(sent.method)}, headers: ${headers}${more} });`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function Code({ text }: { text: string }) {
  const texts = useTexts().act;
  return (
    <Group gap={6} align="flex-start" wrap="nowrap">
      <pre className="code" tabIndex={0} style={{ flex: 1 }}>{text}</pre>
      <CopyButton value={text}>
        {({ copied, copy }) => (
          <Tooltip label={copied ? texts.copied : texts.copy}>
            <ActionIcon variant="subtle" color="gray" onClick={copy} aria-label={texts.copy}>{copied ? <Check size={16} /> : <Copy size={16} />}</ActionIcon>
          </Tooltip>
        )}
      </CopyButton>
    </Group>
  );
}
