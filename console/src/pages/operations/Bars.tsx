// A small chart of a bar for each minute; the same figures stand below it as a table.
import { Group, Paper, Table, Text, Title } from "@mantine/core";
import { useTexts } from "../../texts";
import classes from "./operations.module.css";

type Part = { name: string; look: "open" | "wait" | "shut" | "plain"; of: number[] };
type Props = { title: string; at: string[]; parts: Part[]; most?: number; mostLabel?: string };

const HIGH = 100;
const WIDE = 20;

export function Bars({ title, at, parts, most, mostLabel }: Props) {
  const texts = useTexts().operations;
  const sums = at.map((_, index) => parts.reduce((sum, one) => sum + (one.of[index] ?? 0), 0));
  const top = Math.max(most ?? 0, ...sums, 1);
  return (
    <Paper className="card" p="md" component="section" aria-label={title}>
      <Title order={2} fz="sm">{title}</Title>
      <Group gap="sm" mb="xs" mih={20}>
        {parts.length > 1 ? parts.map((one) => <Text key={one.name} size="xs" c="dimmed" className={classes.legend}><i className={classes[one.look]} aria-hidden />{one.name}</Text>) : null}
      </Group>
      <div className={classes.frame}>
        <Text size="xs" c="dimmed" className={classes.top}>{mostLabel ?? top.toLocaleString()}</Text>
        <svg viewBox={`0 0 ${WIDE * at.length} ${HIGH}`} preserveAspectRatio="none" className={classes.chart} aria-hidden>
          {[0, HIGH / 2].map((y) => <line key={y} x1={0} x2={WIDE * at.length} y1={y} y2={y} className={classes.grid} />)}
          {at.map((one, index) => {
            let below = HIGH;
            const told = parts.map((part) => `${part.of[index] ?? 0} ${part.name}`).join(", ");
            return (
              <g key={one}>
                <title>{`${clock(one)}: ${told}`}</title>
                <rect x={WIDE * index} y={0} width={WIDE} height={HIGH} className={classes.column} />
                {parts.map((part) => {
                  const value = part.of[index] ?? 0;
                  if (value === 0) return null;
                  const high = Math.max((HIGH * value) / top, 2);
                  below -= high;
                  return <rect key={part.name} x={WIDE * index + 3} y={below} width={WIDE - 6} height={high} className={classes[part.look]} />;
                })}
              </g>
            );
          })}
        </svg>
      </div>
      <Group justify="space-between" mt={4}>
        <Text size="xs" c="dimmed">{clock(at[0])}</Text>
        <Text size="xs" c="dimmed">{clock(at.at(-1))}</Text>
      </Group>
      <details className={classes.details}>
        <summary>{texts.asTable}</summary>
        <Table fz="xs" aria-label={title}>
          <Table.Thead><Table.Tr><Table.Th>{texts.minute}</Table.Th>{parts.map(({ name }) => <Table.Th key={name}>{name}</Table.Th>)}</Table.Tr></Table.Thead>
          <Table.Tbody>{at.map((one, index) => <Table.Tr key={one}><Table.Td>{clock(one)}</Table.Td>{parts.map(({ name, of }) => <Table.Td key={name}>{(of[index] ?? 0).toLocaleString()}</Table.Td>)}</Table.Tr>)}</Table.Tbody>
        </Table>
      </details>
    </Paper>
  );
}

const clock = (text?: string): string => (text ? new Date(text).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) : "");
