// JSON whose numbers keep every digit: whole numbers beyond 2^53 are bigints, and what no number holds stays as it is written.
import { isSafeNumber, LosslessNumber, parse, stringify } from "lossless-json";

const asNumber = (text: string): unknown =>
  isSafeNumber(text) ? Number(text) : /^-?\d+$/.test(text) ? BigInt(text) : new LosslessNumber(text);

/** Reads JSON; raises SyntaxError for what is none. */
export const fromJson = (text: string): unknown => parse(text, null, asNumber);

/** Writes a value as JSON; nothing at all as no text. */
export const asJson = (value: unknown, space?: number): string => stringify(value, null, space) ?? "";

/** Reads an answer. */
export const exactly = async (answer: Response): Promise<unknown> => fromJson(await answer.text());
