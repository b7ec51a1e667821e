// What Postgres would do for a view's read as somebody: its steps, the SQL, and the index that is missing.
import { Alert, Badge, List, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";
import type { Schemas } from "../../api/client";
import { asJson } from "../../api/exact";
import { AlertTriangle } from "../../parts/icons";
import { useTexts } from "../../texts";
import { More } from "../../trace/TraceView";
import classes from "./views.module.css";

export type Explained = Schemas["ExplainAnswer"];
type Node = {
  "Node Type": string;
  "Relation Name"?: string;
  "Index Name"?: string;
  "Plan Rows": number;
  "Total Cost": number;
  Filter?: string;
  "Index Cond"?: string;
  "Hash Cond"?: string;
  "Sort Key"?: string[];
  Plans?: Node[];
};

export function Plan({ of }: { of: Explained }) {
  const { explain: texts, views } = useTexts();
  if (of.refusal) return <Alert color="red" p="xs" title={`${views.refused}: ${of.refusal.status} ${of.refusal.code}`}>{of.refusal.detail}</Alert>;
  const root = (of.plan[0] as { Plan?: Node } | undefined)?.Plan;
  return (
    <Stack gap="xs">
      <div>
        <Text size="sm" fw={600}>{texts.title}</Text>
        <Text size="xs" c="dimmed">{texts.lead}</Text>
      </div>
      {of.findings.length === 0 ? <Text size="sm">{texts.none}</Text> : (
        <Alert color="yellow" p="xs" icon={<AlertTriangle size={18} />} title={texts.lacks}>
          <List size="sm" listStyleType="none">
            {of.findings.map((one, index) => <List.Item key={index}>{one.message}{one.hint ? <> · <span className="code">{one.hint}</span></> : null}</List.Item>)}
          </List>
        </Alert>
      )}
      {root ? <ul className={classes.plan} aria-label={texts.tree}><Steps of={root} /></ul> : null}
      <More label={texts.sql}><pre className="code" tabIndex={0}>{`${of.sql}\n${asJson(of.parameters)}`}</pre></More>
    </Stack>
  );
}

/** A step and those below it: one alone stands in the same line of steps, several stand further in. */
function Steps({ of }: { of: Node }) {
  const below = of.Plans ?? [];
  const [only] = below;
  return (
    <>
      <Step node={of}>{below.length > 1 ? <ul>{below.map((one, index) => <Steps key={index} of={one} />)}</ul> : null}</Step>
      {below.length === 1 && only ? <Steps of={only} /> : null}
    </>
  );
}

function Step({ node, children }: { node: Node; children: ReactNode }) {
  const texts = useTexts().explain;
  const conditions = [node["Index Cond"], node["Hash Cond"], node.Filter, node["Sort Key"]?.join(", ")].filter(Boolean);
  return (
    <li>
      <Text size="sm" component="div">
        <b>{node["Node Type"]}</b>{node["Relation Name"] ? <> <span className="mono">{node["Relation Name"]}</span></> : null}
        {node["Node Type"] === "Seq Scan" ? <Badge ml={6} size="sm" variant="light" color="yellow">{texts.whole}</Badge> : null}
        {node["Index Name"] ? <Text span size="xs" c="dimmed"> {texts.by} <span className="mono">{node["Index Name"]}</span></Text> : null}
        <Text span size="xs" c="dimmed"> · {texts.rows(node["Plan Rows"])} · {texts.cost(node["Total Cost"])}</Text>
      </Text>
      {conditions.map((one) => <Text key={one} size="xs" className="mono" c="dimmed">{one}</Text>)}
      {children}
    </li>
  );
}
