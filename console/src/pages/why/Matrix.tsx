// Coverage as a matrix: each endpoint and action of a view against everybody whom its access tells apart.
import { Badge, Button, Group, ScrollArea, Stack, Switch, Table, Text, Title, Tooltip } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { Link } from "react-router";
import { api, data, type Schemas } from "../../api/client";
import { Check, X } from "../../parts/icons";
import { Loading } from "../../parts/Loading";
import { ProblemAlert } from "../../parts/Problem";
import { useTexts } from "../../texts";
import classes from "./why.module.css";

type Pair = Schemas["CoveredPair"];
type Line = { key: string; first: Pair; pairs: Map<string, Pair>; hasGap: boolean };
const PAGE = 60;

export function Matrix({ failed }: { failed: Set<string> }) {
  const texts = useTexts().why.tests;
  const [gaps, setGaps] = useState(false);
  const [shown, setShown] = useState(PAGE);
  const { data: all, error } = useQuery({ queryKey: ["definitions", "coverage"], queryFn: () => data(api.GET("/admin/v1/test/coverage")) });
  const lines = useMemo(() => linesOf(all ?? []), [all]);
  if (error) return <ProblemAlert error={error} />;
  if (!all) return <Loading />;
  const callers = callersOf(all);
  const listed = lines.filter((one) => !gaps || one.hasGap);
  const tried = all.filter((one) => !isGap(one)).length;
  return (
    <Stack gap="xs">
      <Group justify="space-between">
        <Group gap="sm"><Title order={2}>{texts.matrix}</Title><Badge variant="light" color={tried === all.length ? "teal" : "orange"}>{texts.covered(tried, all.length)}</Badge></Group>
        <Switch label={texts.untriedOnly} checked={gaps} onChange={(event) => setGaps(event.currentTarget.checked)} />
      </Group>
      <Text size="sm" c="dimmed" maw={760}>{texts.matrixLead}</Text>
      {lines.length === 0 ? <Text size="sm">{texts.nothing}</Text> : (
        <ScrollArea className="card" viewportProps={{ tabIndex: 0, role: "region", "aria-label": texts.matrix }}>
          <Table fz="sm" highlightOnHover className={classes.matrix} aria-label={texts.matrix}>
            <Table.Thead>
              <Table.Tr><Table.Th>{texts.served}</Table.Th>{callers.map((one) => <Table.Th key={one}>{texts.callers[one] ?? texts.role(one)}</Table.Th>)}</Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {listed.slice(0, shown).map((line) => (
                <Table.Tr key={line.key}>
                  <Table.Th scope="row">
                    <Link to={`/${line.first.kind}s/${line.first.name}`} className="code">{line.first.name}</Link>
                    {line.first.action ? <Text component="span" size="xs" c="dimmed"> {line.first.action}</Text> : null}
                  </Table.Th>
                  {callers.map((caller) => <Table.Td key={caller} ta="center"><Cell pair={line.pairs.get(caller)} failed={failed} /></Table.Td>)}
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </ScrollArea>
      )}
      {listed.length > shown ? <Group><Button size="xs" variant="default" onClick={() => setShown(shown + 4 * PAGE)}>{texts.more(Math.min(4 * PAGE, listed.length - shown))}</Button></Group> : null}
    </Stack>
  );
}

function Cell({ pair, failed }: { pair: Pair | undefined; failed: Set<string> }) {
  const texts = useTexts().why.tests;
  if (pair === undefined) return null;
  if (isGap(pair)) return <span className={classes.cell}><span className={classes.hole} aria-hidden /><span className="sr">{texts.untried}</span></span>;
  return (
    <span className={classes.cell}>
      {(["let_in", "refused"] as const).map((kind) => {
        const names = pair[kind];
        if (names.length === 0) return null;
        const isFailing = names.some((one) => failed.has(one));
        const told = kind === "let_in" ? texts.letIn(names.length) : texts.refused(names.length);
        return (
          <Tooltip key={kind} label={`${told}: ${names.join(", ")}${isFailing ? ` (${texts.failing})` : ""}`} events={{ hover: true, focus: true, touch: true }}>
            <span className={classes.mark} data-kind={kind} data-failing={isFailing} tabIndex={0} role="img" aria-label={`${told}: ${names.join(", ")}${isFailing ? ` (${texts.failing})` : ""}`}>
              {kind === "let_in" ? <Check size={13} stroke={3} aria-hidden /> : <X size={13} stroke={3} aria-hidden />}{names.length > 1 ? names.length : null}
            </span>
          </Tooltip>
        );
      })}
    </span>
  );
}

const isGap = (pair: Pair): boolean => pair.let_in.length + pair.refused.length === 0;

function linesOf(all: Pair[]): Line[] {
  const lines = new Map<string, Line>();
  for (const pair of all) {
    const key = `${pair.kind}/${pair.name}/${pair.action ?? ""}`;
    const line = lines.get(key) ?? { key, first: pair, pairs: new Map<string, Pair>(), hasGap: false };
    line.pairs.set(pair.caller, pair);
    line.hasGap ||= isGap(pair);
    lines.set(key, line);
  }
  return [...lines.values()];
}

/** Everybody who is told apart anywhere: kinds of people first, then roles. */
function callersOf(all: Pair[]): string[] {
  const kinds = ["anonymous", "signed in", "signed in without the role"];
  const found = new Set(all.map((one) => one.caller));
  return [...kinds.filter((one) => found.has(one)), ...[...found].filter((one) => !kinds.includes(one)).sort()];
}
