// Whether the server answers: when it doesn't, it is asked until it does, and then what was shown is read again.
import { onlineManager } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";

const AGAIN = 2_000; // milliseconds
let away = false;
let timer: number | undefined;
const listeners = new Set<() => void>();

export function useAway(): boolean {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => away,
  );
}

function become(next: boolean): void {
  if (away === next) return;
  away = next;
  onlineManager.setOnline(!next);
  for (const listener of listeners) listener();
}

export function reached(): void {
  window.clearTimeout(timer);
  timer = undefined;
  become(false);
}

export function unreached(): void {
  become(true);
  timer ??= window.setTimeout(ask, AGAIN);
}

async function ask(): Promise<void> {
  timer = undefined;
  try {
    await fetch("/healthz");
    reached();
  } catch {
    unreached();
  }
}
