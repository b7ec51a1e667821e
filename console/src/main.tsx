// Begins the console: lets the components' own styles pass the policy of the page, and shows it.
import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import "./theme/console.css";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import { NONCE } from "./theme/nonce";

// What react-remove-scroll, inside of dialogs, reads its nonce from.
(globalThis as { __webpack_nonce__?: string }).__webpack_nonce__ = NONCE;
createRoot(document.getElementById("root") as HTMLElement).render(<App />);
