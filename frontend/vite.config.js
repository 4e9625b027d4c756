import { defineConfig } from "vite";

// One entry. Hashed files and manifest.json go where the Python package serves them from.
// Nothing is inlined into pages: the Content-Security-Policy allows no inline script or style.
export default defineConfig({
  base: "/static/",
  build: {
    outDir: "../src/keyhouse/static",
    emptyOutDir: true,
    manifest: "manifest.json",
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 600, // the charts, loaded on chart pages only
    modulePreload: false,
    target: ["chrome123", "firefox121", "safari17.5"],
    rollupOptions: { input: { app: "src/app.js" } },
  },
});
