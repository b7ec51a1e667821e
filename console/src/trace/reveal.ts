// Shows a run one stage after the other, as a request passes them.
import { useReducedMotion } from "@mantine/hooks";
import { useEffect, useState } from "react";

const EACH = 110; // milliseconds

/** Gives how many stages are shown by now, and tells it on; all of them at once where motion isn't wanted. */
export function useReveal<T>(run: T | undefined, stages: number, tell?: (run: T | undefined, upTo: number) => void): number {
  const still = useReducedMotion();
  const [upTo, setUpTo] = useState(0);
  useEffect(() => {
    if (run === undefined) return undefined;
    let shown = still ? stages : 1;
    setUpTo(shown);
    tell?.(run, shown);
    const timer = window.setInterval(() => {
      if (shown >= stages) return window.clearInterval(timer);
      shown += 1;
      setUpTo(shown);
      return tell?.(run, shown);
    }, EACH);
    return () => window.clearInterval(timer);
    // A new run begins from the first stage; who is told doesn't matter to that.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [run]);
  return upTo;
}
