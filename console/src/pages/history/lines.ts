// The difference of two texts by their lines, with what stands around each.
export type Line = ["+" | "-" | " " | "…", string];
const AROUND = 3;
const MOST = 3000; // lines of each that are compared after what both begin and end with

/** Gives what was taken away and added; nothing where both are the same. */
export function differing(before: string[], after: string[]): Line[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < before.length - start && end < after.length - start && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  const gone = before.slice(start, before.length - end);
  const come = after.slice(start, after.length - end);
  if (gone.length === 0 && come.length === 0) return [];
  const middle = gone.length > MOST || come.length > MOST ? whole(gone, come) : common(gone, come);
  const head = before.slice(Math.max(0, start - AROUND), start).map((line): Line => [" ", line]);
  const tail = before.slice(before.length - end, before.length - end + AROUND).map((line): Line => [" ", line]);
  return [...head, ...shortened(middle), ...tail];
}

function whole(gone: string[], come: string[]): Line[] {
  return [...gone.map((line): Line => ["-", line]), ...come.map((line): Line => ["+", line])];
}

/** Keeps the longest run of lines that both have. */
function common(gone: string[], come: string[]): Line[] {
  const width = come.length + 1;
  const longest = new Uint16Array((gone.length + 1) * width);
  for (let i = gone.length - 1; i >= 0; i -= 1) {
    for (let j = come.length - 1; j >= 0; j -= 1) {
      longest[i * width + j] = gone[i] === come[j]
        ? (longest[(i + 1) * width + j + 1] ?? 0) + 1
        : Math.max(longest[(i + 1) * width + j] ?? 0, longest[i * width + j + 1] ?? 0);
    }
  }
  const found: Line[] = [];
  let [i, j] = [0, 0];
  while (i < gone.length && j < come.length) {
    if (gone[i] === come[j]) {
      found.push([" ", gone[i] ?? ""]);
      [i, j] = [i + 1, j + 1];
    } else if ((longest[(i + 1) * width + j] ?? 0) >= (longest[i * width + j + 1] ?? 0)) {
      found.push(["-", gone[i] ?? ""]);
      i += 1;
    } else {
      found.push(["+", come[j] ?? ""]);
      j += 1;
    }
  }
  return [...found, ...whole(gone.slice(i), come.slice(j))];
}

/** Leaves out the middle of what hasn't changed. */
function shortened(lines: Line[]): Line[] {
  const near = (at: number) => lines.slice(Math.max(0, at - AROUND), at + AROUND + 1).some(([kind]) => kind !== " ");
  const found: Line[] = [];
  lines.forEach((line, at) => {
    if (near(at)) found.push(line);
    else if (found.at(-1)?.[0] !== "…") found.push(["…", ""]);
  });
  return found;
}
