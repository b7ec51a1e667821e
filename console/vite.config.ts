import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  base: "/console/",
  plugins: [react()],
  build: {
    outDir: "../app/console/built",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // every file has an address of its own, as the policy of the page wants it
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: { "/admin": "http://127.0.0.1:8000" } },
});
